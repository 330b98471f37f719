"""The results of a job that has ended, in other forms and places; nothing else here knows pyarrow."""
