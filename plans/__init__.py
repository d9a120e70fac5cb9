"""Pure decisions: data in, a frozen plan out. No I/O, no Prefect, the clock is passed in."""
