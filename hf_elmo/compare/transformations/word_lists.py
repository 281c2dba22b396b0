# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""Lists of English words with two spellings; written for this package.

A line of stems with their endings stands for all their forms: `colour color: s ed` is colour/color, colours/colors and
coloured/colored.
"""

# British stem, American stem, endings that both take ("-" is none).
BRITISH_AMERICAN_STEMS = """
colour color: - s ed ing ful less
favour favor: - s ed ing able ably
favourite favorite: - s
honour honor: - s ed ing able
labour labor: - s ed ing er ers
neighbour neighbor: - s ing hood hoods
behaviour behavior: - s al
flavour flavor: - s ed ing
harbour harbor: - s ed ing
humour humor: - ed less
rumour rumor: - s ed
armour armor: - ed y
endeavour endeavor: - s ed ing
vapour vapor: - s
odour odor: - s less
savour savor: - s ed ing y
parlour parlor: - s
vigour vigor: -
splendour splendor: -
saviour savior: - s
tumour tumor: - s
centre center: - s
theatre theater: - s
litre liter: - s
fibre fiber: - s
calibre caliber: -
meagre meager: -
sombre somber: -
spectre specter: - s
lustre luster: -
defence defense: - s less
offence offense: - s
pretence pretense: - s
organis organiz: e es ed ing er ers ation ations ational
realis realiz: e es ed ing ation
recognis recogniz: e es ed ing able
apologis apologiz: e es ed ing
emphasis emphasiz: e ed ing
criticis criticiz: e es ed ing
specialis specializ: e es ed ing ation
characteris characteriz: e es ed ing ation
civilis civiliz: ed ation ations
modernis moderniz: e ed ing ation
minimis minimiz: e es ed ing
maximis maximiz: e es ed ing
optimis optimiz: e es ed ing ation
summaris summariz: e es ed ing
memoris memoriz: e es ed ing
generalis generaliz: e es ed ation
finalis finaliz: e es ed ing
authoris authoriz: e es ed ing ation
utilis utiliz: e es ed ing ation
mobilis mobiliz: e ed ing ation
privatis privatiz: e ed ing ation
customis customiz: e ed ing ation
prioritis prioritiz: e ed ing
sympathis sympathiz: e es ed ing
symbolis symboliz: e es ed ing
visualis visualiz: e ed ing ation
analys analyz: e ed ing
paralys paralyz: e ed ing
catalys catalyz: e ed ing
travell travel: ed ing er ers
cancell cancel: ed ing
modell model: ed ing er ers
labell label: ed ing
levell level: ed ing
signall signal: ed ing
counsell counsel: ed ing or ors
quarrell quarrel: ed ing
marvell marvel: ed ous ously
jewell jewel: er ers
fuell fuel: ed ing
tunnell tunnel: ed ing
catalogue catalog: - s
dialogue dialog: - s
analogue analog: - s
grey gray: - s er est
plough plow: - s ed ing
programme program: - s
aluminium aluminum: -
jewellery jewelry: -
pyjamas pajamas: -
moustache mustache: - s
sceptic skeptic: - s al ism
mould mold: - s y ed
manoeuvre maneuver: - s
omelette omelet: - s
doughnut donut: - s
artefact artifact: - s
enrol enroll: - s ment
fulfil fulfill: - s ment
skilful skillful: - ly
wilful willful: - ly
instalment installment: - s
ageing aging: -
judgement judgment: - s
acknowledgement acknowledgment: - s
likeable likable: -
whisky whiskey: -
mum mom: - s
maths math: -
towards toward: -
afterwards afterward: -
encyclopaedia encyclopedia: - s
paediatric pediatric: - s ian ians
anaesthe anesthe: tic tics sia
haemo hemo: globin rrhage
mediaeval medieval: -
oestrogen estrogen: -
foetus fetus: -
diarrhoea diarrhea: -
aeroplane airplane: - s
sulphur sulfur: - ic
carburettor carburetor: - s
speciality specialty: -
"""
# The American form is another word too, so only the British one changes.
BRITISH_ONLY = """
cheque check: - s
tyre tire: - s
kerb curb: - s
gaol jail: - s
metre meter: - s
kilometre kilometer: - s
centimetre centimeter: - s
millimetre millimeter: - s
storey story: -
licence license: - s
draught draft: - s y
learnt learned: -
burnt burned: -
dreamt dreamed: -
leapt leaped: -
spelt spelled: -
spoilt spoiled: -
whilst while: -
amongst among: -
"""
# Right, and as it is often written wrong.
MISSPELLINGS = """
absence absense, accept exept, accidentally accidently, accommodate accomodate, accommodation accomodation,
achieve acheive, across accross, address adress, advertisement advertisment, again agian, aggressive agressive,
already allready, always allways, amateur amatuer, apparently apparantly, appearance appearence, argument arguement,
awful awfull, basically basicly, beautiful beautifull, because becuase, beginning begining, believe beleive,
beneficial benificial, bizarre bizzare, business buisness, calendar calender, career carreer,
caribbean carribean, category catagory, ceiling cieling, cemetery cemetary, certain certian, challenge challange,
changeable changable, character charachter, chief cheif, chocolate choclate, colleague collegue, coming comming,
committed commited, committee commitee, comparison comparision, completely completly, conscious concious,
control controll, convenient convinient, could coudl, country coutnry, curiosity curiousity, daughter daugther,
deceive decieve, decision desicion, definitely definately, describe discribe, description discription,
desperate desparate, develop develope, development developement, difference diffrence, different diffrent,
difficult dificult, disappear dissapear, disappoint dissapoint, disappointed dissapointed,
disappointing dissapointing, discipline disipline, eighth eigth, embarrass embarass, embarrassing embarassing,
environment enviroment, especially expecially, every evrey, exaggerate exagerate, excellent excellant, except excpet,
existence existance, experience experiance, experienced experianced, familiar familar, famous famouse, favourite favourate,
favorite favorate, february febuary, field feild, finally finaly, foreign foriegn, forty fourty, forward foward,
friend freind, friends freinds, generally generaly, genius genious, glamorous glamourous,
government goverment, grammar grammer, grateful greatful, guarantee garantee, guard gaurd, happened happend,
harass harrass, have ahve, height heighth, heroes heros, humorous humourous, hygiene hygeine, ignorance ignorence,
immediately immediatly, important importent, independent independant, information infomation, intelligence inteligence,
interesting intresting, interested intrested, interrupt interupt, island iland, jealous jelous, jewelry jewelery,
knowledge knowlege, language langauge, leisure liesure, length lenght, library libary, 
literally litterally, lonely lonley, maintenance maintainance, marriage marrage, medicine medecine,
message messege, millennium millenium, minutes minuets, mischievous mischievious, mirror mirrow, missile missle,
misspell mispell, movie moive, movies moives, music musci, necessary neccessary, neighbor nieghbor, niece neice,
nineteen ninteen, ninety ninty, noticeable noticable, occasion ocassion, occasionally occassionally, occurred occured,
occurrence occurence, often oftern, official offical, opinion opinon, opportunity oppurtunity, original orginal,
paid payed, parallel paralel, particular particuler, pastime pasttime, people poeple, 
permanent permanant, persistent persistant, piece peice, play paly, playlist playist,
please plaese, pleasant plesant, politician politican, possession posession, possible possable, potatoes potatos,
preferred prefered, prejudice predjudice, probably probly, problem probelm, professor proffesor, pronunciation
pronounciation, publicly publically, quite qiute, really realy, receipt reciept, receive recieve, received recieved,
recipe receipe, recommend reccomend, recommended reccomended, referred refered, relevant relevent, religious religous,
remember rember, restaurant resturant, restaurants resturants, rhyme ryhme, rhythm rythm, ridiculous rediculous,
safety saftey, said siad, schedule schedual, science sceince, scissors sissors, search serach, seize sieze,
sense sence, sentence sentance, separate seperate, sergeant sargent, several severel, similar similiar,
sincerely sincerly, song sogn, strength strenght, success sucess, successful succesful,
surprise suprise, surprised suprised, surprising suprising, table tabel, temperature temperture, their thier, there
tehre, therefore therefor, thought thougth, threshold threshhold, through throught, together togehter,
tomatoes tomatos, tomorrow tommorow, tongue tounge, truly truely, twelfth twelth, tyranny tyrany, until untill,
usually usualy, vacuum vaccuum, vegetable vegtable, vehicle vehical, very verry, view veiw, villain villian, visible
visable, wednesday wensday, weird wierd, welcome wellcome, were wre, what waht, where wehre,
which wich, with wiht, without whithout, woman womna, would woudl, writing writting, yield yeild,
the teh, that taht, this tihs, they tehy, your yuor, about abuot, just jsut, know konw, like liek, make amke,
book boook, film flim, good godo, think thikn, time tiem, when wehn, work owrk, world wrold, year yaer
"""
# As in short messages and on social media.
SHORT_FORMS = """
you u, your ur, yours urs, yourself urself, are r, thanks thx, thank thnk, please plz, tomorrow tmrw, because cuz,
people ppl, before b4, great gr8, late l8, later l8r, tonight 2nite, today 2day, night nite, light lite, though tho,
although altho, through thru, okay ok, love luv, something smth, someone some1, everyone every1, anyone any1,
message msg, messages msgs, minutes mins, minute min, seconds secs, hours hrs, hour hr, years yrs, year yr, weeks wks,
about abt, what wut, pictures pics, picture pic, probably prolly, really rly, weekend wknd, birthday bday, have hv,
having havin, would wud, could cud, should shud, know kno, that dat, this dis, the da, them em, then den, with wit,
without w/o, see c, be b, why y, for 4, to 2, too 2, and &, at @, favorite fav, favourite fave,
pretty purty, little lil, just jus, girl gurl, girls gurls, boys boiz, friend frnd, friends frnds, brother bro,
sister sis, good gud, cool kewl, sorry sry, welcome wlcm, problem prob, problems probs, question q, questions qs,
information info, restaurant resto, television tv, photograph photo, photos pics, computer comp, video vid, videos vids,
album alb, song sng, music muzik, movie mov, movies movs, book bk, table tbl, weather wthr, rating rtng, stars strz,
awesome awsm, excellent xlnt, especially esp, definitely def, obviously obvs, seriously srsly, whatever w/e, forever
4ever, never neva, ever eva, over ova, other otha, better betta, going goin, doing doin, nothing nuthin, looking lookin,
being bein, making makin, getting gettin, trying tryin, coming comin, want wnt, wants wnts, need nd, like lyk,
back bk, time tym, much mch, very v, from frm, could've coulda, were wer, was woz, when wen, here hea,
there der, every evry, always alwys, which wch, think thnk, things thngz, thing thng, work wrk, school skool,
next nxt, text txt, best bst, ate 8, wait w8, mate m8, hate h8,
anybody ne1, kids kidz, days dayz, not nt, but bt, can cn, will wil, get gt, got gt, out owt, find fnd,
show sho, play ply, please pls
"""


def stem_pairs(text: str) -> list[tuple[str, str]]:
    """All pairs of forms of lines of stems."""
    found = []
    for line in text.strip().splitlines():
        stems, endings = line.split(":")
        first, second = stems.split()
        found += [(first + ending.strip("-"), second + ending.strip("-")) for ending in endings.split()]
    return found


def word_pairs(text: str) -> dict[str, str]:
    """Of pairs between commas; a word that comes twice keeps its first partner."""
    found: dict[str, str] = {}
    for pair in text.replace("\n", " ").split(","):
        first, second = pair.split()
        found.setdefault(first, second)
    return found
