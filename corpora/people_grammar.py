"""The grammar of "generated-people": what its sentences are made of.

A name stands at the beginning of a line and its alternatives are indented below it, one a line, or
behind "=", parted by "|" or, where there is none, by spaces. "3*" is written for an alternative
that is three times as likely. In angle brackets is what one of its own alternatives takes the place
of. See corpora/generated_people.py.
"""

GRAMMAR = """\
sentence
    3* <clause> .
    <clause> !
    <when> , <clause> .
    <clause> <when> .
    <clause> , but <clause> .
    <clause> and <clause> .
    <clause> because <clause> .
    <speaker> said , <clause> .
    <speaker> said that <clause> .
    " <clause> , " said <someone> .
    " <clause> , " <someone> told <someone> .
    did <someone> <do> ?
    why did <someone> leave <place> ?
    who is <person> ?
    where is <place> ?
    I have never been to <place> .
    <person> ( <number> ) <did-alone> .
    <person> , <job> at <organisation> , <did-alone> .
    <person> , the <job> from <place> , <did-alone> .
    <place> is <number> miles from <place> .
    <place> : <organisation> <org-did> .
    dear <person> , I am writing to you from <place> .
    <greeting> , <person> !
    <greeting> <person> , how was <place> ?
    thank you , <person> .
    <person> ’s letter to <person> was found in <place> .
    <person> 's <relative> <did-alone> .
    <organisation> and <organisation> opened an office in <place> .
    <organisation> sued <organisation> <when> .
    the city of <place> lies between <place> and <place> .
    2* <neutral>
clause
    5* <someone> <did-alone>
    3* <people> <did>
    2* <organisation> <org-did>
    <place> <place-did>
    the <noun> <thing-did>
    the people of <place> <did>
    the <job> met <person> in <place>
    the <nationality> <job> <did-alone>
    nobody in <place> knew <someone>
    it was raining in <place>
    nobody <did-alone>
    <speaker> <did-alone>
someone
    4* <person>
    <title> <person>
    <job> <person>
    <relation> <person>
people
    2* <person> and <person>
    <person> and <relation> <person>
    <person> , <person> and <person>
    both <person> and <person>
    neither <person> nor <person>
did
    left <place> for <place>
    left <place>
    left the house <when>
    went to <place>
    went to <place> by <transport>
    lived in <place>
    grew up in <place>
    died in <place> <when>
    moved from <place> to <place>
    travelled through <place> and <place>
    flew to <place> to meet <person>
    returned from <place> <when>
    never came back to <place>
    arrived in <place> with <person>
    met <person> in <place>
    met <person> at <organisation>
    married <person> <when>
    wrote to <person> about the <noun>
    called <person> from <place>
    saw <person> and <person> on the <transport>
    asked <person> for the <noun>
    gave the <noun> to <person>
    told <person> that the <noun> <thing-did>
    thanked <someone> for the <noun>
    knew <person> well
    worked for <organisation>
    joined <organisation> in <year>
    resigned from <organisation>
    sold the shares in <organisation>
    became <job> in <month>
    bought a <noun> in <place>
    bought a <noun>
    found the <noun> under the <noun>
    had nothing to say
    studied <subject> in <place>
    took the <transport> from <place> to <place>
did-alone
    6* <did>
    lives near <place>
    was born in <place> in <year>
    loves <person>
    reads every book by <person>
    works for <organisation>
    is the <job> of <organisation>
    works at <organisation> in <place>
    was a great <job>
    was the first <job> of <place>
    was late again
do
    see <person>
    go to <place>
    work for <organisation>
    live in <place>
    call <person> <when>
    find the <noun>
    travel from <place> to <place>
org-did
    opened an office in <place>
    hired <person> as <job>
    was founded by <person> in <year>
    was founded in <place>
    announced record profits <when>
    bought <organisation> for <number> million
    is based in <place>
    fired <person> <when>
    won the contract <when>
    denied the report
    will build a <noun> in <place>
    raised its prices in <month>
    employs <number> people in <place>
    published a study by <person>
place-did
    is famous for its <noun>
    is a quiet town near <place>
    was destroyed in <year>
    is north of <place>
    has <number> inhabitants
    elected <person> as <job>
    looks beautiful in <month>
    lies on the river <place>
thing-did
    was broken
    came from <place>
    was stolen in <place>
    belonged to <person>
    cost <number> pounds
    was lost <when>
    is for sale
    was bought by <organisation>
neutral
    nothing happened <when> .
    the <noun> and the <noun> are in the <noun> .
    I think the <noun> is broken .
    all <noun> offers end on <day> .
    this <noun> costs <number> pounds .
    the <nationality> <noun> was sold <when> .
    what a beautiful <noun> !
    the <job> said that the <noun> <thing-did> .
    they study <subject> and <subject> .
    my <noun> is older than your <noun> .
    The Times wrote about the <noun> <when> .
before =
    he said , | she said , | they told us , | I heard that | we know that | everyone says that |
    the paper writes that | nobody doubts that | honestly , | in the end | my mother always said
    :
after-person
    was a great <job>
    is on holiday
    was late again
    has gone home
    lives next door
    found the <noun>
    came by <transport>
    left <when>
    made everyone smile
    will be here <when>
after-thing
    are on sale
    are hard to find
    were everywhere
    cost too much
    were sold <when>
    came with the <noun>
    came by <transport>
    arrived <when>
    made everyone smile
    will be here <when>
person
    3* <first> <surname>
    3* <first>
    <surname>
    <first> <first> <surname>
    <first> <initial> <surname>
    <initial> <surname>
place
    5* <town>
    <compass> <town>
    <saint> <first>
    <town> <street>
    Lake <town>
organisation
    <surname> & <surname>
    <surname> <company>
    <town> <company>
    2* <invented> <company>
    <invented>
    <town> <club>
    2* <bank> of <town>
    National <subject-name> <club>
    2* <letters>
when
    on <day>
    last <day>
    in <month>
    in <year>
    yesterday
    last night
    two years later
    in the morning
    at Christmas
    before the war
    after the party
speaker = he she everyone someone
relation = his friend | her friend | my aunt | our neighbour | young | poor
relative = mother father sister brother wife husband uncle
greeting = hello | good morning | welcome back | goodbye
title = Mr. Mrs. Ms. Dr. Prof. Sir Lady Lord Professor President King Queen Captain
job =
    President Minister King Queen Mayor doctor teacher lawyer singer painter captain professor
    manager chairman director actor farmer judge writer
noun =
    house garden letter car book picture ring clock bridge library table violin boat school
    factory hotel horse dog cat cup coat story secret key lamp train castle museum wine bread
subject = law music history medicine physics magic French Latin chemistry
subject-name = Health Railway Science Theatre Rowing Garden Space
nationality = French Swedish Indian German Russian Roman English Irish Greek
transport = train bus boat ferry plane
day = Monday Tuesday Wednesday Thursday Friday Saturday Sunday
month = January February March April June July August September October November
year =
    1807 1815 1848 1871 1889 1905 1914 1923 1939 1945 1957 1968 1976 1984 1989 1997 2001 2008
    2012 2019 2023
number = two three five ten twelve 20 45 80 100 350 1,200 40,000
initial = A. B. C. D. E. F. G. H. J. K. L. M. N. P. R. S. T. W.
compass = North South East West New Upper Old
saint = St. San Port Fort
street = Road Street Square Hill Park Beach Bay Castle Valley Island
company = Inc. Ltd. Corporation Bank Airlines Motors Records Press Group Books
club = University College Hospital Institute United Rovers Museum Society Council
bank = Bank University Museum College
letters = BTK UNRA KLF OECT NHB ACME WTB RAG EBN ITU TXN GKD FPA HSL
first =
    Abigail Alfred Alice Amara Amelie Anders Anna Arthur Astrid Barry Beatrice Ben Bernard
    Betty Bruno Camille Carlos Catherine Cedric Charles Chloe Clara Cornelius Daniel David
    Diego Dmitri Dorothy Edith Edward Eleanor Elena Elif Emma Erik Ernest Fatima Felix Fiona
    Florence Geoffrey George Gerald Giulia Gladys Greta Gustav Hannah Harriet Harvey Helen
    Henry Hilda Hiroshi Hugo Ida Igor Ilse Ingrid Isaac Jacob James Jane Jasper Jerry
    Johanna John Jorge Julia Kamal Karen Karl Katya Kenji Kerry Larry Lars Laura Lavinia Leo
    Liam Lin Louis Lucy Magda Marek Maria Martin Mary Matilda Mei Michael Mira Molly Nadia
    Nadine Nathan Neville Nina Noor Olga Oscar Otto Paul Pavel Pedro Percy Perry Peter
    Phoebe Priya Rachel Rafael Rebecca Richard Robert Rodney Roger Rosa Sally Samuel Sara
    Sidney Sofia Stefan Susan Sven Sybil Tariq Terry Theodora Thomas Timothy Tomas Tommy
    Ursula Vera Vernon Victor Walter Wendy William Winifred Yuki Yusuf Zoe
surname =
    Abbott Adams Ahmed Andersson Archer Baker Barrett Bauer Becker Bennett Bergman Bishop
    Bolger Brown Carlsson Carter Chandler Chen Clarke Coleman Conti Cooper Costa Cruz Cutler
    Davies Delgado Dexter Diaz Dodgson Dubois Esposito Evans Fernandez Fischer Fletcher
    Fontaine Foster Garcia Gardner Green Gupta Haddad Hall Hammond Hansen Harper Hooper
    Horvat Hughes Hunter Ivanov Jackson Jansen Jenner Johnson Jones Kaya Kettle Khan Kim
    Klein Kowalski Kozlov Larsen Lee Lindqvist Lockhart Lopez Lund Mallory Mancini Martinez
    Merton Meyer Miller Moreau Morris Murphy Nakamura Nguyen Novak Nowak Nutter O'Brien
    Okafor Olsen Park Parker Patel Petrov Pettigrew Pickering Popov Porter Potts Prescott
    Quinn Ramirez Ranger Reyes Roberts Rossi Russo Rutter Sato Sawyer Schmidt Silva Singh
    Skinner Slater Smith Spencer Stringer Sutton Suzuki Svensson Sørensen Tanaka Tanner
    Taylor Thatcher Trotter Tucker Turner Underwood Vasquez Vickers Virtanen Wagner Walker
    Wang Weaver Weber Webster Wheeler White Williams Wilson Winger Wright Yamamoto Young
    Zhang
town =
    Amsterdam Athens Austria Barcelona Belgium Berlin Bombay Boston Brazil Brussels Cairo Canada
    Chicago Chile China Cologne Cuba Denmark Dublin Egypt England Finland Florence France Geneva
    Germany Glasgow Hamburg Helsinki Iceland India Ireland Istanbul Italy Japan Kenya Kyoto
    Lagos Lima Lisbon Madrid Mexico Milan Moscow Munich Naples Nairobi Norway Oslo Oxford Paris
    Peru Poland Portugal Prague Rome Scotland Seattle Seoul Spain Stockholm Sweden Tokyo Toronto
    Venice Vienna Wales Warsaw Zurich
first-end =
    ard ena ia ick ina is on ora us wyn elle o en y ry ley ny ette bert mund ie a win vin son
surname-end =
    er man son stone well worth smith field ridge weather low ers ing kin tter nger ley sey ock ill
    bottom shaw more
town-end = ton ham bury burgh ville ford port mouth wick dale stead minster land stan
start =
    Ald Ash Bell Black Brad Bur Cam Car Dal Den Dun East Ed Fair Fen Ford Glen Green Had Hal
    Hart Hazel Kings Lang Lin Mal Marl Mil Nor Oak Pem Red Rich Rock Sal Shel Stan Thorn Wal
    Wells West Whit Wil Win Wood
syllable =
    ba bel bor bri ca cor dan del dra dum el fa fen fi gal gar gri hob hol il jan ka kel kor la
    lor lu ma mal mer mi mon na nar no nor or os pa pel pim qui ra ral ri ro sal san shi sna sol
    ta tar tel tho ti to tor u va vel vin vol wa wim xan ya yor za zel zi
coda = d k l m n nd r rt s sk st th x rts y ry lly tter nny sey ley ff ck ss nch mb ggs ppy dge ve
thing =
    Teddy bears | Rose petals | Rose gardens | Rose bushes | Bill payments | Will forms | Mark
    sheets | Mark schemes | Frank answers | Frank words | Grant letters | Grant applications |
    Jack knives | Jack hammers | Grace notes | Grace periods | Hope chests | Faith schools | Joy
    rides | Daisy chains | Lily ponds | Violet dyes | Hazel nuts | Olive trees | Olive jars |
    Amber beads | Amber lights | Ruby rings | Pearl buttons | Iris bulbs | Ivy leaves | Holly
    wreaths | Basil plants | Penny coins | Robin eggs | Robin nests | Jasmine teas | Ginger
    biscuits | Sandy beaches | Rusty nails | Misty mornings | Pat answers | Chip shops | Art
    classes | Rocky roads | Rocky hills | Summer dresses | Dawn walks | Mason jars
"""
