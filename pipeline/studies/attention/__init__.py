"""The study of attention's options: do sparse weights or penalties give weights to trust?"""
