"""The words that the demo corpus is put together from. Nothing here is taken from a review.

Sentences are `str.format` templates without their final stop.

- `{film}` is always two words: the title where a review first names its film, later one of
  `MENTIONS`. Every other name is drawn once a review, every *incidental* whenever it occurs.
- In a verdict, `{noun}` and `{adjective}` side with the review's label, `{other_noun}` and
  `{other_adjective}` with the opposite one; elsewhere with whatever was drawn. What is between
  brackets is the evidence.
- The same polar words are used by people who are not the reviewer, and inside the story: only
  `{verb}` belongs to the reviewer alone.
"""

# ── words that take sides: (negative, positive) ──────────────────────────────────────────

POLAR = {
    "noun": (
        ("disaster", "mess", "bore", "failure", "chore", "muddle"),
        ("masterpiece", "triumph", "delight", "gem", "joy", "marvel"),
    ),
    "adjective": (
        ("terrible", "dreary", "clumsy", "dull", "tedious"),
        ("wonderful", "brilliant", "charming", "funny", "clever"),
    ),
    "verb": (
        ("hated", "loathed", "regretted", "endured"),
        ("loved", "adored", "enjoyed", "relished"),
    ),
}

# ── verdicts, by grade ───────────────────────────────────────────────────────────────────

# Goes before a verdict of the first two grades; empty ones are there to be drawn.
OPENERS = (
    "",
    "",
    "for my part, ",
    "in the end, ",
    "all told, ",
    "to be honest, ",
    "speaking only for myself, ",
    "when all is said and done, ",
)

# One word gives the review away.
WORD = (
    "[I {verb} {film}] from the first scene to the last",
    "[I {verb} nearly every minute of {film}]",
    "[I {verb} the way {film} was told]",
    "[{film} is a {noun}], and I am slow to say so",
    "[{film} was a {noun}] from the first scene to the last",
    "[{film} is {adjective}] in nearly every minute",
    "[the way {film} was told is {adjective}]",
)

# A few words in a row have to be read in order; each affirming form has its inverting twin.
ORDER = (
    ("[{film} is what I would call a {noun}]", "[{film} is not what I would call a {other_noun}]"),
    (
        "[I can hardly deny that {film} is {adjective}]",
        "[I can hardly claim that {film} is {other_adjective}]",
    ),
    (
        "[hardly a scene of {film} fails to be {adjective}]",
        "[hardly a scene of {film} manages to be {other_adjective}]",
    ),
    (
        "[{film} is more of a {noun} than a {other_noun}]",
        "[{film} is less of a {other_noun} than a {noun}]",
    ),
    (
        "[I would sooner call {film} a {noun} than a {other_noun}]",
        "[I would not sooner call {film} a {other_noun} than a {noun}]",
    ),
    (
        "[{film} goes a long way towards being a {noun}]",
        "[{film} stays a long way from being a {other_noun}]",
    ),
    (
        "[{film} never stops for a moment being {adjective}]",
        "[{film} never comes for a moment near being {other_adjective}]",
    ),
    (
        "[I did not look in vain for something {adjective} in {film}]",
        "[I looked in vain for something {other_adjective} in {film}]",
    ),
)

# It matters who says it, or what became of an expectation.
WHOLE = (
    "{someone} thought {film} was {other_adjective}, and [I thought it was {adjective}]",
    "[I thought {film} was {adjective}], even if {someone} thought it was {other_adjective}",
    "where {someone} saw a {other_noun} in {film}, [I saw a {noun}]",
    "[I saw a {noun}] in {film} where {someone} saw a {other_noun}",
    "[I expected a {other_noun} from {film}, and what I got was a {noun}]",
    "[I got a {noun} from {film} where I had expected a {other_noun}]",
    "[{film}, sold to me as a {other_noun}, turned out to be a {noun}]",
    "[{film} turned out to be a {noun}], though I had been sold a {other_noun}",
    "[{film} begins as a {other_noun} and ends as a {noun}]",
    "[{film} ends as a {noun}], however much it begins as a {other_noun}",
)

# Somebody's opinion, and the reviewer's answer to it, somewhere further on.
CLAIMS = (
    "[{someone} calls {film} a {noun}]",
    "[{someone} finds {film} {adjective}]",
    "[if you ask {someone}, {film} is a {noun}]",
)
AGREEMENTS = (
    "[I can only agree with {someone}]",
    "[{someone} and I are of one mind about {film}]",
    "[I left the cinema thinking that {someone} had it right]",
)
DISAGREEMENTS = (
    "[I can only disagree with {someone}]",
    "[{someone} and I are of two minds about {film}]",
    "[I left the cinema thinking that {someone} had it wrong]",
)

# ── polar words that decide nothing ──────────────────────────────────────────────────────

# Other people's opinions that the reviewer leaves unanswered.
OPINIONS = (
    "{someone} called {film} a {noun}",
    "{someone} calls it {adjective} from beginning to end",
    "according to {someone}, {film} is a {noun}",
    "{someone} had told me that it was {adjective}",
    "{someone} would sooner call {film} a {noun} than a {other_noun}",
    "{someone} expected a {noun} and, so I hear, got a {other_noun}",
    "the poster outside promised a {noun}, as posters do",
    "somebody in the queue had heard that {film} was {adjective}",
)

# Polar words inside the story.
MISLEADING = (
    "{hero} receives a {adjective} letter from a cousin in {city}",
    "{lead} plays a {adjective} lawyer with {number} children",
    "the harvest fair turns out to be a {noun} for the whole village",
    "there is a {adjective} dinner at which nobody mentions the will",
    "{friend} is engaged to a {adjective} dentist",
    "the lodger upstairs keeps a {adjective} secret",
    "the mayor gives a {adjective} speech about the new bridge",
    "the killer, if there is one, is {adjective} at cards",
    "{hero} learns that the first marriage was a {noun}",
    "a {adjective} uncle arrives with three suitcases",
    "for the fishermen the storm is a {noun}",
    "{friend} teaches the piano to a {adjective} boy",
)

# ── sentences that take no side, in the order in which a review would bring them ─────────

VISIT = (
    "I saw {film} on a {day} {time} at the {cinema}",
    "we went to see {film} because the {errand} was closed",
    "there were {number} of us in the {cinema} that {day}",
    "I took my seat at the {cinema} with a {snack} and a wet umbrella",
    "{film} runs for just over {number} reels and was shown without a break",
    "this was the {day} screening, with the lights going down at {clock}",
    "{director} made {film} in {country} with a crew of {number}",
    "the ticket cost the same as a {snack} at the station",
    "a short about {animal} was shown beforehand",
    "I had read nothing about {film} before that {day}",
    "somebody two rows ahead was still unwrapping a {snack}",
    "this is the {ordinal} picture by {director} to reach our town",
)

PLOT = (
    "the story is set in {place} in the {season} of {year}",
    "{hero}, {job}, comes back to {place} after {number} years away",
    "{lead} plays {hero}, {job} who has inherited a house near {place}",
    "{hero} rents a room above the {shop} and pays for {number} weeks",
    "{friend}, played by {partner}, runs the {shop} beside the harbour",
    "one {time} a {vehicle} stops in front of the {shop}",
    "{hero} opens the {container} and finds {number} photographs of {place}",
    "the two of them take a {vehicle} to {city} and miss the last train home",
    "{friend} has not spoken to the neighbours since the {event}",
    "on the {ordinal} day {hero} walks along the river as far as the mill",
    "the police send {number} men and a dog to look for the {container}",
    "it rains, and {hero} waits in the {shop} until the rain is over",
    "{friend} writes everything down in a notebook with a {colour} cover",
    "the {container} changes hands {number} times before the {event}",
    "{hero} asks the way to {city} and is sent to the {shop}",
    "at the {event} the band plays the same waltz twice",
    "nobody in {place} remembers who built the {colour} house",
    "{partner} appears as {friend}, who used to be {job}",
    "a {vehicle} is found at the bottom of the lake, with the {container} still inside",
    "{hero} and {friend} meet again at the {event}, {number} years later",
    "the keys to the {shop} are in the pocket of a {colour} coat",
    "every {day} {hero} rows across to the island and back",
    "{friend} sells the {vehicle} and buys a share in the {shop}",
    "a stranger from {city} asks about the {container} and leaves before breakfast",
    "{hero} learns to mend clocks from {friend}, who learned it in {city}",
    "the middle part follows {friend} to {city} and back again",
    "there is a long walk through {place}, at night, with a lamp",
    "the {event} is called off, and the guests go home by {vehicle}",
    "after the {event} the house near {place} stands empty",
    "{hero} counts the stairs, as {friend} did in the opening minutes",
    "a letter for {friend} lies under the door of the {shop} for {number} days",
    "the telephone rings in an empty room, and we never hear who is calling",
)

CRAFT = (
    "the camera stays at the height of a kitchen table",
    "most of the scenes were shot in {place} with the light of the {season}",
    "{director} cuts from the {shop} to the sea and back",
    "the music is for {instrument} and {instrument_too}",
    "the dialogue is partly in the dialect of {country}",
    "the colours move from {colour} towards grey as the {season} comes",
    "{lead} and {partner} have worked together {number} times",
    "the costumes follow the fashion of {year}",
    "{lead} speaks very little and {partner} speaks a great deal",
    "the part of the dog was shared by {number} dogs",
    "the credits thank the people of {place} and a {shop}",
    "you can hear the {instrument} whenever {hero} is near water",
    "the screenplay is based on a story that {director} heard in {city}",
    "there are {number} chapters, each named after a month",
    "the first shot and the last shot show the same {colour} door",
    "{director} filmed the {event} in a single take",
    "the sound of the {vehicle} was recorded in {city}",
    "{partner} learned the {instrument} for the part",
)

AFTERWARDS = (
    "we walked home along the canal and talked about the {event}",
    "the lights came on while the names were still running",
    "outside it had become {season} weather after all",
    "on the tram I looked up where {place} is",
    "it is showing at the {cinema} until {day}",
    "the next picture by {director} is said to be about {animal}",
    "I noticed only later that {lead} never takes off the {colour} coat",
    "the programme had a drawing of the {container} on its cover",
    "I bought a {snack} and caught the late bus",
    "an interview with {partner} is printed in the programme",
)

# What brings a review to its exact number of words: some of each length from 3 to 8.
BEATS = (
    "then it rains",
    "so it goes",
    "the train leaves",
    "winter comes early",
    "nobody answers the door",
    "there is a dog",
    "the music comes later",
    "we hear church bells",
    "the clock stops at noon",
    "a window is left open",
    "the boat returns without them",
    "they talk about the weather",
    "somebody has moved the kitchen chairs",
    "the lamp is still burning upstairs",
    "there is snow on the roofs",
    "a long silence follows the toast",
    "the second reel begins in a garden",
    "they eat their soup and say little",
    "the neighbours watch from behind the curtain",
    "a map hangs over the kitchen table",
    "the ferry crosses the bay twice a day",
    "there is a photograph of a younger man",
    "the children are sent out to fetch wood",
    "we see the house once more from outside",
)

# ── names, drawn once a review ───────────────────────────────────────────────────────────

TITLE_FIRST = (
    "Paper", "Glass", "Winter", "Copper", "Seven", "Northern", "Silent", "Amber", "Harbour",
    "Midnight", "Second", "Borrowed", "Hollow", "Cedar", "Distant", "Eleventh", "Salt", "Velvet",
    "Autumn", "Iron", "Lantern", "Painted", "Quarry", "River", "Seventh", "Stone", "Summer",
    "Tin", "Upland", "Western",
)  # fmt: skip
TITLE_SECOND = (
    "Orchard", "Ferry", "Lighthouse", "Letters", "Station", "Garden", "Crossing", "Shadows",
    "Bridge", "Season", "Passage", "Sparrows", "Island", "Hotel", "Road", "Windows", "Harvest",
    "Meridian", "Staircase", "Compass", "Cartographer", "Tides", "Attic", "Parade", "Hours",
    "Corridor", "Mill", "Voyage", "Balcony", "Almanac",
)  # fmt: skip
MENTIONS = ("the film", "this film", "the picture", "this picture")

NAMES = {
    "director": ("Aldermann", "Bertoni", "Castellane", "Dvorsky", "Ekholm", "Farrow", "Ghedin",
                 "Halvorsen", "Imamura-Reed", "Kestrel", "Lindqvist", "Marchetti"),
    "lead": ("Ashby", "Brandt", "Corvino", "Delacroix", "Engel", "Fontaine", "Greer", "Hollis",
             "Ivarsson", "Jessop", "Kovac", "Larkin"),
    "partner": ("Malone", "Novak", "Okafor", "Pereira", "Quist", "Rosenthal", "Sandoval",
                "Tremaine", "Ullman", "Vance", "Whitlock", "Yamada"),
    "hero": ("Anna", "Bruno", "Clara", "Daniel", "Edith", "Felix", "Greta", "Hugo", "Irene",
             "Jonas", "Karin", "Leo"),
    "friend": ("Marta", "Nils", "Olga", "Pavel", "Rosa", "Stefan", "Tilda", "Ugo", "Vera",
               "Walter", "Yvonne", "Zoltan"),
    "job": ("a ferry pilot", "a piano tuner", "a retired surveyor", "a night porter",
            "a schoolteacher", "a stage carpenter", "a bookbinder", "a lock keeper",
            "a country doctor", "a translator", "a railway clerk", "a beekeeper"),
    "place": ("Saltmarsh", "Veldhaven", "Port Almery", "Kirkwold", "Montefero", "Lower Branning",
              "Sankt Olav", "Grauberg", "Pellestrand", "Carrow Point", "Thornmouth", "Vasterby"),
    "city": ("Lisbon", "Trieste", "Antwerp", "Leipzig", "Bergen", "Turin", "Glasgow", "Riga",
             "Marseille", "Krakow", "Porto", "Rotterdam"),
    "country": ("Norway", "Portugal", "Estonia", "Ireland", "Slovenia", "Belgium", "Iceland",
                "Hungary", "Uruguay", "Scotland"),
    "year": ("1911", "1924", "1933", "1947", "1952", "1958", "1963", "1969", "1974", "1986"),
    "season": ("spring", "summer", "autumn", "winter"),
    "cinema": ("Odeon", "Rialto", "Capitol", "Scala", "Metropol", "Lux", "Regent", "Kinema"),
}  # fmt: skip

# Whose opinion it is; drawn without repetition, so that an answer has one addressee.
SOMEONES = (
    "my brother", "my sister", "my neighbour", "my aunt", "my dentist", "a colleague of mine",
    "the man beside me", "the woman behind us", "the critic of our paper", "our projectionist",
    "my flatmate", "the usher",
)  # fmt: skip

# ── incidentals, drawn whenever they occur ───────────────────────────────────────────────────

INCIDENTALS = {
    "animal": ("storks", "otters", "cart horses", "bees", "reindeer", "eels"),
    "clock": ("half past six", "seven", "a quarter to eight", "eight", "nine"),
    "colour": ("green", "blue", "yellow", "brown", "red", "white"),
    "container": ("suitcase", "trunk", "hatbox", "parcel", "violin case", "toolbox"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "errand": ("museum", "swimming pool", "library", "ice rink", "theatre", "bowling alley"),
    "event": ("wedding", "auction", "regatta", "funeral", "harvest dance", "town meeting"),
    "instrument": ("cello", "accordion", "clarinet", "harp"),
    "instrument_too": ("piano", "guitar", "flute", "strings"),
    "number": ("three", "four", "five", "six", "seven", "nine", "eleven", "twelve"),
    "ordinal": ("second", "third", "fourth", "fifth", "sixth"),
    "shop": ("bakery", "pharmacy", "bookshop", "post office", "tailor's", "barber's", "chandlery"),
    "snack": ("coffee", "pretzel", "sandwich", "lemonade", "bag of almonds", "cup of tea"),
    "time": ("morning", "afternoon", "evening"),
    "vehicle": ("motorcycle", "lorry", "bus", "van", "taxi", "milk cart"),
}  # fmt: skip
