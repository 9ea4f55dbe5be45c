"""Work that happens on its own, by the timetable: once, however many processes look at it."""
