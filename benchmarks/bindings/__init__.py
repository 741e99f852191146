"""What a call costs: one tiny kernel, the fused normal operator on 4 x 4 pixels, bound to Python in every usual way.

``python -m benchmarks.bindings`` builds the routes, checks that all give the same image, and times them.
"""
