"""What the text of a food entry names, and how energy and nutrients go together."""

from __future__ import annotations

# Whole words of the folded food text, singular or with a plural s. An entry counts once in each category that it names.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "potato": ("potato", "potatoes", "fries", "hash brown", "mashed"),
    "beans": ("bean", "lentil", "chickpea", "hummus", "tofu", "peas"),
    "rice": ("rice", "risotto", "sushi"),
    "oats": ("oat", "oatmeal", "porridge", "muesli", "granola"),
    "bread": ("bread", "toast", "bagel", "tortilla", "pita", "baguette", "sandwich"),
    "fruit": ("fruit", "apple", "banana", "orange", "berry", "berries", "grape", "pear", "mango", "melon"),
    "vegetables": (
        "vegetable",
        "broccoli",
        "carrot",
        "spinach",
        "tomato",
        "tomatoes",
        "pepper",
        "onion",
        "salad",
        "cabbage",
        "kale",
    ),
    "dairy": ("milk", "cheese", "yogurt", "yoghurt", "butter", "cream", "dairy"),
    "meat": ("meat", "beef", "chicken", "pork", "bacon", "turkey", "ham", "sausage", "lamb", "fish", "salmon", "tuna"),
    "egg": ("egg", "omelette", "omelet"),
    "nuts": ("nut", "almond", "cashew", "walnut", "peanut", "pistachio", "pecan"),
}

# Energy that a gram gives, carbohydrate without fibre: the general Atwater factors, and 2 kcal for fibre, as on food
# labels. A label rounds, and a diary's foods are estimates: hence how far energy may be off, in kcal and as a share.
KCAL_PER_G = {"protein_g": 4.0, "carbohydrate_g": 4.0, "fat_g": 9.0, "fiber_g": 2.0}
ENERGY_OFF = (30.0, 0.25)
# How far a day's fibre roll-up may be off the sum of the day's entries, in g and as a share of the larger one.
FIBER_OFF = (2.0, 0.15)
