"""What is used and how full things are: looked at as a whole, kept in the bucket, read again."""

from systems.utilisation.look import take_sample
from systems.utilisation.samples import keep_sample, last_sample
from systems.utilisation.week import observe_week

__all__ = ["keep_sample", "last_sample", "observe_week", "take_sample"]
