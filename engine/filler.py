"""Text of our own that chunks can be encoded behind, for every place but the first.

A chunk that is encoded right behind the preamble has rows that no chunk has in a real prompt but the first: where
nothing else stands before it, its first tokens draw the attention of the others. Behind a few other documents the rows
come out closer to those of a full prefill; `engine.selection` has the measurements. The filler is never part of a
prompt, so what a model answers exactly stays as it is. But the first chunk of a prompt is exact only as encoded right
behind the preamble, and without an exact first chunk the gain is gone: so a chunk has two states
(`PromptFrame.first_positions`), of two fingerprints, for twice the time and disk. Neither stands in for the other: what
the gate says is said of these places, so a chunk without the state of its place is computed.

It is a number of short texts of the kinds that documents are (an encyclopedia, notices, a manual, minutes), about
nothing that anybody will ask for: about 1,800 tokens. Their number that is used is part of the fingerprint.
"""

import re

_WRAPPED = """\
Marlow Reservoir

Marlow Reservoir is an artificial lake in the upper valley of the Tern, completed in 1938 to supply drinking water to
three towns. It holds about 41 million cubic metres and is up to 52 metres deep. The old village of Hale, with its
church and mill, lies under the surface; in dry summers its bridge can be seen.

Ines Calder

Ines Calder (4 March 1871 – 19 October 1949) was a botanist and illustrator. Born the daughter of a clockmaker, she
studied in Leiden and travelled to the southern islands in 1902, where she described more than two hundred species of
moss. Her herbarium is kept by the university; a crater and a street are named after her.

The Glass Orchard

The Glass Orchard is the second album by the band Northern Post, released in May 1994. It was recorded in eleven days
in a former school and produced by the group's drummer. The single "Paper Boats" reached number 17; critics praised
its quiet songs, while sales at first remained below those of the debut.

Notice to members

From 1 July the reading room opens at nine. Cards can be renewed at the desk or by letter; the yearly fee stays at 24,
for students 12. Books in the closed stacks have to be ordered one day ahead.

Battle of Corran Ford

The Battle of Corran Ford was fought on 12 September 1644 between the forces of the Earl of Strand and a smaller army
under Thomas Reyne. Heavy rain had swollen the river, so that the cavalry could not cross. After four hours Reyne
withdrew to the north; the treaty that followed was signed in the spring at Castle Aird.

Pump, model 12

Before cleaning, switch the pump off and pull the plug. Unscrew the cover, take out the filter and rinse it under
running water. Put it back with the arrow pointing up. If the red lamp still blinks, check whether the hose is bent,
then press reset for three seconds. Replace the seal every two years (part 12-084).

Danish Film Prize

The Danish Film Prize is awarded every February in eight categories. In 2009 the prize for best director went to Karen
Holm for The Long Summer, which also won for music. The ceremony was held in Aarhus for the first time. The jury, led
by the actor Jens Brink, had seen 62 films.

Quarterly figures

Sales rose by 6.2 percent to 48.3 million. Most of it came from spare parts (plus 11 percent), while new machines fell
short of the plan. The board expects the same for the rest of the year and proposes a dividend of 0.85.

Harbour Notes

The ferry between the two shores of the bay has run since 1911. At first it carried milk, mail and the few people who
worked in the salt sheds; cars came later, one at a time, on a deck of oak planks. The winter timetable has six
crossings a day, the summer one fourteen. In the year of the great ice the boat lay still for nine weeks, and letters
went over on sledges. A new pier of concrete replaced the wooden one after the storm of 1953, which took the waiting
room, the crane and two sheds with it. The captain who served longest, thirty-four years, kept a notebook of wind, fog
and passengers that is now shown in the town hall. According to it, the busiest day was the opening of the fish
market, with 2,318 people, three brass bands and a cow. Since then the number has fallen slowly, because of the bridge
upstream, but the line still pays for itself: half of the income is from tickets, a third from freight, and the rest
from the small café on the upper deck. Plans for an electric boat were presented to the council in March and approved
with eleven votes to four. The hull will be built at the yard on the north side, the batteries come from abroad, and
the first crossing is expected in two years.

How to Care for Cast Iron

Wash the pan while it is still warm, with a brush and a little water; soap is not needed every time, though it does no
harm. Dry it at once over a low flame, then rub a few drops of oil over the whole surface, inside and out, with a
cloth, and wipe off what does not soak in. A pan that has begun to rust is not lost. Scrub it with steel wool until
the metal shows, rinse, dry, coat it thinly with oil and bake it upside down for one hour at 230 °C; let it cool in
the oven. Repeat this three times for a surface that eggs do not stick to. Avoid long cooking of tomatoes, wine or
vinegar in a new pan, since acids dissolve the coating. Do not put cold water into a hot pan: it may crack. If food
sticks, cover the bottom with coarse salt, heat it for five minutes and rub it out. The following table lists
temperatures for common oils. Sunflower, refined: 225. Rapeseed: 205. Butter: 150. Lard: 190. Olive, extra virgin:
180. Above these the oil smokes, turns bitter and leaves a sticky film that has to be scrubbed off. Store pans in a
dry place, with a sheet of paper between them, and check the handles for cracks once a year.

Minutes of the Meeting of 14 May

Present: Ms Alder (chair), Mr Brandt, Ms Castell, Dr Dunne, Mr Eriksen (minutes). Apologies: Ms Falk. 1. The minutes
of the last meeting were approved without changes. 2. Mr Brandt reported on the budget. Of 84,500 for the year, 31,200
have been spent; repairs to the roof cost 4,900 more than expected, while heating cost less because of the mild
winter. The committee agreed to move 3,000 from reserves. 3. Dr Dunne presented the results of the survey. 212 of 340
members answered; 71 percent want longer opening hours on Saturdays, 18 percent are against it. Ms Castell pointed out
that staff would have to be asked first. It was decided to try it from September to December and to decide again in
January. 4. The contract with the cleaning firm ends in July. Two offers were compared; the chair will negotiate with
both. 5. Any other business: the old projector is to be given to the school, the key to the archive was found, and the
summer party is on 22 June. Ms Falk has offered to look after the music. Next meeting: 11 June, 18:00, in the reading
room. The meeting closed at 19:40. Tasks: Brandt, new figures by the end of the month; Castell, talk to staff;
Eriksen, write to the school.

On Migrating Birds

Most small songbirds travel at night. They set out about an hour after sunset, climb to between five hundred and two
thousand metres, and fly until dawn, when they drop into the first hedge or reed bed that offers food and cover. Why
at night? The air is cooler and calmer, hawks are asleep, and the day remains free for eating. Young birds on their
first journey have no one to show them the way; a rough direction and a number of days are inherited, and the rest is
learned. Experiments in round cages showed in the 1960s that warblers hop toward the side on which, under the stars of
a planetarium, their route would lie. Other studies point to the Earth's magnetic field, to polarised light at dusk
and, for pigeons and petrels, to smell. None of these is enough by itself: when one cue is taken away, birds get by
with the others, as a sailor does. A wheatear that breeds in Alaska winters in East Africa, fourteen thousand
kilometres away, and weighs less than a letter. It doubles its weight before leaving, shrinks its gut on the way, and
regrows it within days of arriving. Ringing, radar and, lately, transmitters of half a gram have told us most of this;
what happens over the open sea is still largely unknown.

"""

FILLER = re.sub(r"(?<!\n)\n(?!\n)", " ", _WRAPPED)
"""A title, an empty line, a text, an empty line, and so on: as chunks of documents are."""
