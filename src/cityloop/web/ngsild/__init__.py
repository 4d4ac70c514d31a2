"""The NGSI-LD API over HTTP (GS CIM 009, clause 6), as one raw ASGI application."""
