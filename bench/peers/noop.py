"""Celery doing nothing, with quorum queues and results: what the no-op pipeline is held against."""

import os

from celery import Celery

app = Celery("noop", broker=os.environ["AMQP_URL"], backend="rpc://")
app.conf.update(
    task_default_queue="measured.celery", task_default_queue_type="quorum", worker_detect_quorum_queues=True,
    broker_transport_options={"confirm_publish": True}, task_acks_late=True, worker_prefetch_multiplier=1,
    task_default_exchange="measured.celery", broker_connection_retry_on_startup=True,
)


@app.task
def nothing(text):
    return text
