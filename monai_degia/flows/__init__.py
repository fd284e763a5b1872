"""The normalizing flow: bijections, the multi-scale image flow, the class-conditional prior, and their composition."""
