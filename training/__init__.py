"""LEO's two-stage recipe: python -m training.train RECIPE.yaml"""
