"""What every HTTP answer needs; knows no feature."""
