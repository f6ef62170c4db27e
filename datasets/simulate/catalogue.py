"""What the simulated shop sells: the kinds of product and which kind leads to which."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Sort(StrEnum):
    """How a kind of product is bought."""

    CONSUMABLE = "consumable"  # used up, and bought again at the customer's own interval
    OCCASIONAL = "occasional"  # on impulse
    DURABLE = "durable"  # once, until its life is over
    GADGET = "gadget"  # durable, and each product has its own accessory
    ACCESSORY = "accessory"  # goes with one gadget
    SERVICE = "service"  # a service kit for one kind of durable


class Kind(NamedTuple):
    """A kind of product: `price` in currency units, `days` to the next purchase of the kind (life, or usage)."""

    noun: str
    category: str
    sort: Sort
    price: float
    margin: float
    days: float = 0.0
    returned: float = 0.02  # share of lines that come back
    service_days: float = 0.0
    accessory: str = ""
    weight: float = 1.0  # how often it is bought without a reason, against others of its category


class Rule(NamedTuple):
    """Who buys the first kind comes to want the second with this probability, after a Gamma delay (mean, shape)."""

    first: str
    then: str
    probability: float
    mean_days: float
    shape: float = 4.0


GARDEN, CARE, TOOLS, COMPUTING = "Garden machines", "Garden care", "Tools", "Computing"
AUDIO, HOUSEHOLD, KITCHEN, PETS = "Audio and video", "Household", "Kitchen", "Pets"
CATEGORIES = (GARDEN, CARE, TOOLS, COMPUTING, AUDIO, HOUSEHOLD, KITCHEN, PETS)
OUTDOOR = (GARDEN, CARE)

_DURABLE, _GADGET, _CONSUMABLE, _OCCASIONAL = Sort.DURABLE, Sort.GADGET, Sort.CONSUMABLE, Sort.OCCASIONAL

KINDS: tuple[Kind, ...] = (
    Kind("Lawn Mower", GARDEN, _DURABLE, 320, 0.24, 1800, 0.04, 365, weight=4),
    Kind("Chainsaw", GARDEN, _DURABLE, 210, 0.26, 1800, 0.04, 365, weight=0.5),
    Kind("Hedge Trimmer", GARDEN, _DURABLE, 120, 0.28, 1800, 0.04, 365, weight=0.5),
    Kind("Leaf Blower", GARDEN, _DURABLE, 110, 0.27, 1800, 0.06, weight=0.5),
    Kind("Pressure Washer", GARDEN, _GADGET, 180, 0.25, 1500, 0.05, 365, "Surface Cleaner Head"),
    Kind("Seed Starter Set", CARE, _DURABLE, 35, 0.38, 500, 0.02),
    Kind("Cold Frame", CARE, _DURABLE, 89, 0.33, 1500, 0.04, weight=0.5),
    Kind("Greenhouse", CARE, _DURABLE, 390, 0.27, 3000, 0.04, weight=0.3),
    Kind("Gas Grill", CARE, _GADGET, 290, 0.26, 1800, 0.04, 0, "Grill Cover"),
    Kind("Cordless Drill", TOOLS, _GADGET, 130, 0.27, 1500, 0.05, 0, "Drill Bit Set"),
    Kind("Circular Saw", TOOLS, _DURABLE, 140, 0.27, 1500, 0.04, weight=0.5),
    Kind("Workbench", TOOLS, _DURABLE, 150, 0.30, 3000, 0.05, weight=0.5),
    Kind("Ladder", TOOLS, _DURABLE, 95, 0.30, 3000, 0.03),
    Kind("Laptop", COMPUTING, _GADGET, 890, 0.11, 1300, 0.09, 0, "Docking Station"),
    Kind("Tablet", COMPUTING, _GADGET, 340, 0.13, 1100, 0.09, 0, "Folding Cover"),
    Kind("Monitor", COMPUTING, _GADGET, 240, 0.15, 1500, 0.08, 0, "Monitor Arm"),
    Kind("Backup Drive", COMPUTING, _DURABLE, 85, 0.20, 900, 0.05),
    Kind("Network Storage", COMPUTING, _DURABLE, 310, 0.18, 1500, 0.06, weight=0.3),
    Kind("Printer", COMPUTING, _DURABLE, 160, 0.15, 1300, 0.07, weight=0.8),
    Kind("Music Player", AUDIO, _GADGET, 150, 0.18, 1200, 0.07, 0, "Cable Set"),
    Kind("Camera", AUDIO, _GADGET, 480, 0.16, 1500, 0.07, 0, "Camera Bag"),
    Kind("Headphones", AUDIO, _DURABLE, 95, 0.28, 600, 0.09),
    Kind("Loudspeaker", AUDIO, _DURABLE, 170, 0.26, 1800, 0.07, weight=0.6),
    Kind("Vacuum Cleaner", HOUSEHOLD, _DURABLE, 190, 0.24, 1500, 0.06),
    Kind("Air Purifier", HOUSEHOLD, _DURABLE, 160, 0.27, 1500, 0.06, 180),
    Kind("Coffee Machine", KITCHEN, _GADGET, 350, 0.23, 1500, 0.05, 180, "Milk Frother"),
    Kind("Stand Mixer", KITCHEN, _DURABLE, 260, 0.26, 2500, 0.05),
    Kind("Lawn Fertiliser", CARE, _CONSUMABLE, 24, 0.38, 90),
    Kind("Potting Soil", CARE, _CONSUMABLE, 14, 0.35, 70),
    Kind("Weed Control", CARE, _CONSUMABLE, 19, 0.40, 80),
    Kind("Bird Food", CARE, _CONSUMABLE, 16, 0.36, 35),
    Kind("Chain Oil", GARDEN, _CONSUMABLE, 15, 0.42, 90),
    Kind("Engine Fuel Mix", GARDEN, _CONSUMABLE, 22, 0.30, 60),
    Kind("Sandpaper", TOOLS, _CONSUMABLE, 9, 0.50, 75),
    Kind("Screws", TOOLS, _CONSUMABLE, 12, 0.48, 90),
    Kind("Printer Ink", COMPUTING, _CONSUMABLE, 38, 0.34, 60, 0.03),
    Kind("Printer Paper", COMPUTING, _CONSUMABLE, 22, 0.25, 75),
    Kind("Batteries", AUDIO, _CONSUMABLE, 13, 0.45, 80),
    Kind("Laundry Detergent", HOUSEHOLD, _CONSUMABLE, 18, 0.28, 45),
    Kind("Dishwasher Tablets", HOUSEHOLD, _CONSUMABLE, 15, 0.30, 45),
    Kind("Vacuum Bags", HOUSEHOLD, _CONSUMABLE, 14, 0.45, 90),
    Kind("Bin Bags", HOUSEHOLD, _CONSUMABLE, 8, 0.40, 60),
    Kind("Coffee Beans", KITCHEN, _CONSUMABLE, 21, 0.33, 30),
    Kind("Water Filters", KITCHEN, _CONSUMABLE, 23, 0.42, 60),
    Kind("Green Tea", KITCHEN, _CONSUMABLE, 11, 0.45, 40),
    Kind("Dog Food", PETS, _CONSUMABLE, 42, 0.22, 28),
    Kind("Cat Litter", PETS, _CONSUMABLE, 17, 0.25, 28),
    Kind("Cat Food", PETS, _CONSUMABLE, 29, 0.22, 25),
    Kind("Garden Hose", GARDEN, _OCCASIONAL, 38, 0.36),
    Kind("Extension Cable", GARDEN, _OCCASIONAL, 24, 0.40),
    Kind("Pruning Shears", CARE, _OCCASIONAL, 26, 0.40),
    Kind("Garden Gloves", CARE, _OCCASIONAL, 12, 0.48, 0, 0.05),
    Kind("Flower Bulbs", CARE, _OCCASIONAL, 11, 0.45, 0, 0.01),
    Kind("Planter", CARE, _OCCASIONAL, 29, 0.42, 0, 0.05),
    Kind("Garden Lantern", CARE, _OCCASIONAL, 22, 0.45, 0, 0.06),
    Kind("Screwdriver Set", TOOLS, _OCCASIONAL, 32, 0.40),
    Kind("Tape Measure", TOOLS, _OCCASIONAL, 11, 0.45),
    Kind("Work Lamp", TOOLS, _OCCASIONAL, 36, 0.36, 0, 0.05),
    Kind("Keyboard", COMPUTING, _OCCASIONAL, 55, 0.28, 0, 0.08),
    Kind("Mouse", COMPUTING, _OCCASIONAL, 29, 0.32, 0, 0.07),
    Kind("Memory Stick", COMPUTING, _OCCASIONAL, 17, 0.30, 0, 0.03),
    Kind("Charger", AUDIO, _OCCASIONAL, 24, 0.40, 0, 0.06),
    Kind("Wall Bracket", AUDIO, _OCCASIONAL, 35, 0.42, 0, 0.06),
    Kind("Storage Box", HOUSEHOLD, _OCCASIONAL, 19, 0.40),
    Kind("Desk Lamp", HOUSEHOLD, _OCCASIONAL, 42, 0.40, 0, 0.07),
    Kind("Cushion", HOUSEHOLD, _OCCASIONAL, 18, 0.48, 0, 0.09),
    Kind("Chopping Board", KITCHEN, _OCCASIONAL, 24, 0.45),
    Kind("Frying Pan", KITCHEN, _OCCASIONAL, 39, 0.40, 0, 0.05),
    Kind("Glass Set", KITCHEN, _OCCASIONAL, 27, 0.44, 0, 0.08),
    Kind("Pet Bed", PETS, _OCCASIONAL, 45, 0.42, 0, 0.08),
    Kind("Dog Lead", PETS, _OCCASIONAL, 19, 0.48, 0, 0.05),
)

SEQUENCES: tuple[Rule, ...] = (
    Rule("Lawn Mower", "Chainsaw", 0.50, 120),
    Rule("Chainsaw", "Hedge Trimmer", 0.45, 120),
    Rule("Hedge Trimmer", "Leaf Blower", 0.30, 150),
    Rule("Seed Starter Set", "Cold Frame", 0.40, 75),
    Rule("Cold Frame", "Greenhouse", 0.30, 180),
    Rule("Cordless Drill", "Circular Saw", 0.35, 90),
    Rule("Circular Saw", "Workbench", 0.35, 90),
    Rule("Laptop", "Backup Drive", 0.35, 60),
    Rule("Backup Drive", "Network Storage", 0.20, 180),
    Rule("Camera", "Printer", 0.25, 90),
    Rule("Music Player", "Headphones", 0.35, 60),
    Rule("Headphones", "Loudspeaker", 0.25, 120),
    Rule("Vacuum Cleaner", "Air Purifier", 0.20, 120),
)

SERVICE_PROBABILITY = 0.40  # of wanting the service kit when the service interval is over
SERVICE_SHAPE = 60.0  # of that delay: close to the interval

BRANDS = (
    "Fernhill",
    "Oakline",
    "Brightway",
    "Norden",
    "Calder",
    "Tamsin",
    "Vireo",
    "Marlow",
    "Ashby",
    "Kestrel",
    "Lumen",
    "Holt",
)
GRADES = {
    Sort.DURABLE: ("Compact", "Classic", "Comfort", "Plus", "Pro"),
    Sort.GADGET: ("One", "Air", "Classic", "Plus", "Pro"),
    Sort.CONSUMABLE: ("Standard", "Family Pack", "Organic", "Small Pack", "Value Pack"),
    Sort.OCCASIONAL: ("Basic", "Classic", "Natural", "Deluxe", "Slim"),
}
