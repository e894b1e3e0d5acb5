"""What people and trackers call the columns that the data dictionary knows.

The English names of exports were looked up in public code that reads them: MyFitnessPal (Nutrition Summary: Date, Meal,
Calories, Fat (g), Carbohydrates (g), Fiber, Protein (g); Measurement Summary: Date, Weight), Cronometer (dailysummary:
Date, Energy (kcal), Net Carbs (g), Carbs (g), Fiber (g); servings: Day, Group, Food Name, Amount; biometrics: Day,
Metric, Unit, Amount), Withings (Date, "Weight (kg)", "Fat mass (kg)"), Libra (#Units: kg, then #date;weight;weight
trend), Fitbit (a line `Body`, then Date, Weight, BMI, Fat; Date, Calories In; Fitabase: Id, Date, WeightKg,
WeightPounds), Garmin Connect (Time, Weight, with the date in a row of its own), Health Auto Export for Apple Health
(Date/Time, Dietary Energy (kJ), Total Fat (g), Weight & Body Mass (kg)), Lose It! (Date, Name, Meal, Quantity, Units,
Calories; Date, Food cals, Exercise cals) and Happy Scale (Date, Pound(s)).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from potato import units


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names after `key`, the most telling first: where two columns of a file match, the earlier name wins.
NAMES: dict[str, tuple[str, ...]] = {
    "subject_id": _words(
        """
        subject_id participant_id person_id patient_id user_id subject participant person patient user userid
        subjectid participantid pid sid subj id who username respondent volunteer member case case_id proband
        probandin proband_id probanden patienten teilnehmernummer probandennummer record_id participant_code
        subject_code patient_code teilnehmer teilnehmerin teilnehmer_id patientin kennung sujet participante personne
        identifiant sujeto persona paciente identificador deelnemer proefpersoon persoon deelnemer_id
        participant_name user_name subject_name nickname nick initials initialen email email_address e_mail
        e_mail_address e_mail_adresse full_name first_name vorname prenom nombre voornaam name
        """
    ),
    "date": _words(
        """
        date date_time datetime start_date startdate start_time timestamp measured_at recorded_at logged_at visit_date
        date_of_visit measurement_date weigh_date date_measured log_date entry_date activity_date date_of_record
        day_date datum messdatum datum_uhrzeit datum_zeit fecha fecha_hora date_heure datum_tijd calendar_date
        """
    ),
    "day": _words(
        """
        day study_day day_number day_no day_of_study trial_day days tag days_since_start days_from_start
        days_from_baseline day_of_diet time_day studientag versuchstag jour dia dag studiedag time time_days zeit
        tijd temps tiempo
        """
    ),
    "week": _words(
        """
        week study_week week_number week_no time_weeks time_week weeks_since_start weeks_from_start
        weeks_from_baseline weeks woche studienwoche semaine semana
        """
    ),
    "weight": _words(
        """
        weight body_weight bodyweight body_mass bodymass weight_body_mass mass scale_weight weigh_in weighin wt bw
        pound_s pounds kilogram_s kilograms gewicht korpergewicht koerpergewicht korpermasse poids poids_corporel
        masse_corporelle peso kg kgs lb lbs peso_corporal masa_corporal lichaamsgewicht
        """
    ),
    "unit": _words(
        """
        unit units weight_unit weight_units einheit gewichtseinheit unite unidad eenheid
        """
    ),
    "group": _words(
        """
        group arm treatment treat treatment_group study_arm cohort intervention diet diet_group gruppe groupe bras
        grupo groep behandlung diat regime dieta dieet
        """
    ),
    "condition": _words(
        """
        condition phase period bedingung periode condicion fase conditie study_phase abschnitt periodo
        """
    ),
    "sex": _words("sex gender geschlecht sexe sexo geslacht"),
    "meal": _words(
        """
        meal meal_type meal_name mealtype mahlzeit repas comida maaltijd group gruppe category_of_meal
        eating_occasion
        """
    ),
    "food": _words(
        """
        food food_name food_item item item_name name description product dish entry what foods lebensmittel speise
        nahrungsmittel gericht produkt essen aliment aliments plat produit alimento alimentos producto plato
        voedingsmiddel voedsel gerecht eten product_name food_description
        """
    ),
    "amount_g": _words(
        """
        amount grams weight portion serving_size quantity serving menge portionsgrosse quantite cantidad hoeveelheid
        gramm grammes gramos gewicht poids peso
        """
    ),
    "energy_kcal": _words(
        """
        energy calories kcal kcals cal cals food_cals calories_in calorie dietary_energy kilocalories kj kilojoules
        energy_intake calorie_intake calories_consumed energie kalorien brennwert energiezufuhr calorias energia
        calorieen kilojoule kilokalorien
        """
    ),
    "protein_g": _words(
        """
        protein proteins prot eiweiss proteine proteinas proteina eiwit eiwitten
        """
    ),
    "carbohydrate_g": _words(
        """
        net_carbs net_carbohydrates net_carbohydrate available_carbohydrate available_carbohydrates digestible_carbs
        carbohydrate carbohydrates carbs carb cho total_carbohydrate total_carbohydrates total_carbs kohlenhydrate
        kohlenhydrat glucides carbohidratos hidratos hidratos_de_carbono koolhydraten kh
        """
    ),
    "fat_g": _words(
        """
        fat total_fat fats lipids fett lipides graisses grasa grasas lipidos vet vetten
        """
    ),
    "fiber_g": _words(
        """
        fiber fibre dietary_fiber dietary_fibre total_fiber total_fibre fibers fibres ballaststoffe ballaststoff
        fibres_alimentaires fibra fibras vezel vezels voedingsvezel voedingsvezels
        """
    ),
}

# Names of a person that may as well be something else's, or that a form asks for beside a code.
WEAK_WHO = _set(
    "nickname nick initials initialen email email_address e_mail e_mail_address e_mail_adresse full_name first_name"
    " vorname prenom nombre voornaam name"
)
NET_CARBOHYDRATE = ("net", "available", "digestible")

# Names of numbers that could be taken for a weight by their values.
NOT_A_WEIGHT = set(
    _words(
        """
    age alter baseline birth bmi body_fat bone_mass bpm change delta diastolic diff edad fat fat_mass gain goal
    grosse heart height hip hours hydration ideal index lean leeftijd lengte loss lost minutes muscle_mass no nr
    number percent pulse row start starting steps systolic taille talla target trend waist water year
    seconds second sec secs duration mgdl mg_dl mmol mmol_l cm mm bpm percentile pct z zscore score rmssd hrv glucose
    bone muscle skeletal resting rhr sleep temp temperature spo2 pressure mmhg rate count price
    """
    )
)

# Words of a column of weights of one time: pre.weight, weight6weeks, t2. Counted ones have their days.
WEIGHT_WORDS = _set(
    "weight weights wt bw body bodyweight mass gewicht korpergewicht koerpergewicht lichaamsgewicht poids peso"
)
START_WORDS = _set(
    "pre baseline base bl start starting begin beginning before initial first vor vorher anfang anfangs beginn ausgangs"
    " avant debut antes inicial inicio voor vooraf"
)
END_WORDS = _set(
    "post after end ending final last follow up followup fu nach nachher ende schluss apres fin despues na eind"
)
COUNTED_WORDS = {
    1: _set("day days d tag tage jour jours dia dias dag dagen"),
    7: _set("week weeks wk wks w woche wochen semaine semaines semana semanas weken"),
    30: _set("month months mo mos monat monate mois mes meses maand maanden"),
}
NUMBERED_WORDS = _set("t time timepoint tp visit v measurement m messung zeitpunkt x")
CHANGE_WORDS = _set(
    "loss losses lost wl change changes chg delta diff difference gain verlust abnahme zunahme perte perdida"
)

# Two of these beside each other make a file's weights those that were lifted.
LIFTING = _set("exercise exercise_name reps rep repetitions set sets set_order set_number")

# A column of such a name makes the calories beside it those that were burnt.
ACTIVITY = set(
    _words(
        """
    activity distance exercise floors minutes step_count steps total_distance total_steps
    """
    )
)

# In the name of a file, or in each text of a column, these say that the calories of its entries were burnt.
EXERCISE = _set("exercise exercises workout workouts cardio cardiovascular strength sport sports training")

# What the names of columns and the texts of values call the units that the dictionary's quantities may come in.
UNITS: dict[str, str] = {
    **{
        name: unit
        for table in (units.CONVERSIONS["g"], units.CONVERSIONS["kcal"])
        for unit, (_, names) in table.items()
        for name in names
    },
    **dict.fromkeys(("gramm", "grammes", "gramos"), "g"),
    **dict.fromkeys(("kilogramm", "kilos"), "kg"),
}
_NAME_IS_UNIT = {"kj": "kJ", "kilojoules": "kJ", "kilojoule": "kJ", "pound_s": "lb", "pounds": "lb"}
_NAME_IS_UNIT |= dict.fromkeys(("kilogram_s", "kilograms", "kg", "kgs"), "kg") | dict.fromkeys(("lb", "lbs"), "lb")

# In a longer name, such as fasting_weight_at_visit.
_WEIGHT_WITHIN = re.compile(r"(^|_)(weight|weigh|bodyweight|gewicht|korpergewicht|poids|peso)(_|$)")

# Fields without a unit.
_TEXTS = {"subject_id", "date", "unit", "group", "condition", "sex", "meal", "food"}

# Words that change nothing of what a column means.
_FILLERS = set(
    _words(
        """
    a am average avg code consumed current daily de del des diario dietary du eaten el entry gesamt in intake la le
    matin mean measured morgens morning my no nr num number of per reported self the today total totale value
    """
    )
)


@dataclass(frozen=True)
class Named:
    """What a column's name says: the field, its rank among that field's names (0 is the most telling), the unit."""

    field: str
    rank: int
    unit: str | None


def key(name: str) -> str:
    """Return a name folded for comparison: `WeightKg`, `Weight (kg)` and `weight_kg` become `weight_kg`."""
    spaced = re.sub(r"(?<=[a-z]{2})(?=[A-Z])", " ", name)
    plain = "".join(c for c in unicodedata.normalize("NFKD", spaced) if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", "_", plain.casefold()).strip("_")


def split_unit(name: str) -> tuple[str, str | None]:
    """Return (folded name without its unit, unit or None): `Energy (kJ)` is (energy, kJ), `kcal` is (kcal, None)."""
    words = key(name).split("_")
    # kcal/d and g per day are the totals of a day, as every unit here is.
    while len(words) > 2 and words[-1] in ("d", "day", "per"):
        words.pop()
    if len(words) > 1 and words[-1] in UNITS:
        return "_".join(words[:-1]), UNITS[words[-1]]
    return "_".join(words), _NAME_IS_UNIT.get("_".join(words))


def named(name: str) -> list[Named]:
    """Return every field that a column of this name may be; none for a name that is not known."""
    full, (folded, unit) = key(name), split_unit(name)
    # The whole name first: in `Food cals` the last word is no unit.
    plain = [(full, _NAME_IS_UNIT.get(full)), (folded, unit)]
    shortened = [(_short(variant), its_unit) for variant, its_unit in reversed(plain)]
    found: dict[str, Named] = {}
    for place, (variant, its_unit) in enumerate([*plain, *shortened]):
        for field, names in NAMES.items():
            texts = its_unit and field in _TEXTS
            if variant in names and field not in found and not texts:
                found[field] = Named(field, names.index(variant) + (100 if place >= len(plain) else 0), its_unit)
    if not found and _WEIGHT_WITHIN.search(full) and not is_other(name):
        found["weight"] = Named("weight", 200, unit)
    return list(found.values())


def _short(folded: str) -> str:
    return "_".join(word for word in folded.split("_") if word not in _FILLERS)


def is_other(name: str) -> bool:
    """Tell whether a name says that its numbers are no body weight."""
    folded = split_unit(name)[0]
    return any(re.search(rf"(^|_){word}(_|$)", folded) for word in NOT_A_WEIGHT)


def is_activity(name: str) -> bool:
    """Tell whether a name is one of those that an activity tracker puts beside burnt calories."""
    return any(re.search(rf"(^|_){word}(_|$)", key(name)) for word in ACTIVITY)
