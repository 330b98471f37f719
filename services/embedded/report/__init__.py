"""The report: one self-contained page that shows what was changed, why, and what it costs the student."""
