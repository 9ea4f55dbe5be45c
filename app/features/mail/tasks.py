"""What mail does on its own."""

from datetime import timedelta

from app.features.mail import service as mail
from app.infra.queue import task

deliver = task(mail.DELIVER, every=timedelta(seconds=5), unit=False)(mail.deliver_pending)
forget_old = task("mail.forget_old", every=timedelta(hours=1))(mail.forget_old)
