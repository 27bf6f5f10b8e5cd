"""The study of retraining: is what a method ranks highest missed by a network that never saw it?"""
