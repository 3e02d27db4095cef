"""Read images and sounds that a table describes, as events of several parts."""
