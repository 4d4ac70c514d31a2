"""Pure codecs and data models of the field's standards. No I/O."""
