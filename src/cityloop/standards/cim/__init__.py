"""NGSI-LD as ETSI GS CIM 009 has it: names, the kept form of an entity, reading and writing."""
