"""A recovery drill as one page to hand to somebody: drawn from its evidence, which alone is what counts."""

from systems.scorecard.drills import drill_until, scorecard_of, store_scorecard

__all__ = ["drill_until", "scorecard_of", "store_scorecard"]
