"""Words that change nothing in a question. Negations, comparisons, exclusions and "or" are not among them, and must not be."""

from typing import Final

_GRAMMAR: Final = (
    "a an the of to in on at by for from with and & is was were are be been being am i'm s what what's whats "
    "which who who's did does do done have has had having it its it's their theirs them they that this these "
    "those there here as so if while whose whenever when where then also any all ever both only just exactly "
    "well d ll re ve m "
)
_ASKING: Final = (
    "please kindly pls plz show shows showed shown showing me give gives tell us list lists display print can "
    "could you i i'd we want would like know need find out look up compute calculate calculated determine "
    "return provide question answer hi hello hey thanks thank thx cheers my our your let lets ok okay work "
    "worked figure figures check see say says said wonder wondering curious interested quickly quick simply "
    "actually really maybe perhaps possibly fetch grab pull retrieve state name names help appreciate mind "
    "dear folks got gotten asking ask trying hand exact precise precisely total totally number numbers "
    "quantity result results namely meaning output query "
)
_REPORTING: Final = (
    "report reports reported reporting record records recorded recording recordings measure measures measured "
    "measuring measurement measurements value values reading readings level levels concentration "
    "concentrations data datum observed observation observations observe registered register registers seen "
    "sees saw sent send sends sending received receive receives delivered deliver delivers transmitted "
    "transmit transmits posted published submitted submit submits produced produce produces get gets logged "
    "log logs collected collect collects detected detect detects stored store saved arrived arrive came come "
    "occurred occur occurs happened happen happens experienced experience experiences experiencing obtained "
    "obtain read reads taken take contained contain contains hold holds held included include includes reach "
    "reached reaches hit hits stand stood go went gone fell fallen exhibit exhibits exhibited display displays "
    "displayed face faced suffer suffered hear heard blow blows blew blowing note noted notes noticed track "
    "tracked yield yields yielded attained attain attains feature features encountered encounter sampled "
    "captured capture captures spend spends spent file filed filing identify contributed contribute contributes supplied supply supplies provided provides "
)
_WHOLE: Final = (
    "over across among amongst throughout within during entire whole full complete period dataset set database "
    "overall altogether combined together one ones time times timestamp timestamps utc z gmt point points row "
    "rows sample samples message messages entry entries available present exist exists existing known system "
    "far network networks grid fleet single individual respective respectively according regarding concerning "
    "about given anywhere everywhere somewhere "
)
_THINGS: Final = (
    "made make makes spend spends spent sit sits sat took takes taking gave gives stay stays stayed remain remains remained run runs ran extend extends lie lies lay stamp stamps comes goes along accompanied accompanies bring brings brought taken using used based calendar clock "
    "air id ids station stations sensor sensors device devices site sites location locations place places room "
    "rooms node nodes monitor monitors machine machines spot spots contract table "
)

FILLERS: Final = frozenset(f"{_GRAMMAR}{_ASKING}{_REPORTING}{_WHOLE}{_THINGS}".split())
"""All of them."""

CHAT: Final = (
    r"\b(?:any\s+idea|(?:i\s+am|i'm|we\s+are|we're)\s+(?:looking|searching)\s+for|(?:be\s+)?(?:so|as)\s+(?:kind|good)(?:\s+as)?\s+to|in\s+short|in\s+a\s+nutshell|"
    r"in\s+brief|briefly|to\s+be\s+(?:precise|exact)|by\s+the\s+way|if\s+(?:possible|you\s+(?:can|could|don't\s+mind|please))|out\s+of\s+curiosity|"
    r"as\s+far\s+as\s+you\s+know|do\s+you\s+happen\s+to\s+know|would\s+you\s+mind(?:\s+telling\s+me)?|can\s+you\s+help\s+me(?:\s+(?:find|with))?|"
    r"at\s+a\s+glance|roughly|approximately|approx\.?|good\s+(?:morning|afternoon|evening|day)(?=\W)|i\s+wonder(?:ed)?|it\s+would\s+be\s+nice\s+to\s+know|"
    r"remind\s+me|talk\s+me\s+through|(?:hey|hi|hello)\s+there)\b"
)
"""Turns of phrase that change nothing, though their words might."""
