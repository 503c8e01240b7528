"""Symbols and pronunciation data: what published models were trained on, and ARPAbet beside IPA."""
