"""Reasons in words: the codes of `bridge.policy.reasons` that people ask about, and tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LANGUAGES: Final = ("en", "de", "es", "zh", "ja", "ar")

_PHRASES: Final[Mapping[str, tuple[str, ...]]] = {
    "mentioned": (
        "It was mentioned",
        "Sie wurde erwähnt",
        "Fue mencionada",
        "有人提及了它",
        "メンションされたから",
        "ذُكرت بالإشارة",
    ),
    "named": (
        "It was called by name",
        "Sie wurde beim Namen gerufen",
        "La llamaron por su nombre",
        "有人叫了它的名字",
        "名前で呼ばれたから",
        "نوديت باسمها",
    ),
    "replied_to": (
        "Somebody replied to it",
        "Jemand hat ihr geantwortet",
        "Alguien le respondió",
        "有人回复了它",
        "返信されたから",
        "رد عليها أحدهم",
    ),
    "direct": (
        "It was a private chat",
        "Es war ein Einzelgespräch",
        "Era una conversación privada",
        "这是私聊",
        "個人チャットだったから",
        "كانت محادثة خاصة",
    ),
    "follow_up": (
        "It was a follow-up to its answer",
        "Es war eine Nachfrage zu ihrer Antwort",
        "Era una pregunta sobre su respuesta",
        "这是对它回答的追问",
        "答えへの続きの質問だったから",
        "كان سؤالا تابعا لجوابها",
    ),
    "open_question": (
        "An open question that nobody had answered",
        "Eine offene Frage, die niemand beantwortet hatte",
        "Una pregunta abierta que nadie había respondido",
        "一个没有人回答的公开问题",
        "誰も答えていない質問だったから",
        "سؤال مفتوح لم يجب عنه أحد",
    ),
    "joins_in": (
        "It joined in",
        "Sie hat sich eingebracht",
        "Se unió a la conversación",
        "它加入了谈话",
        "会話に加わったから",
        "انضمت إلى الحديث",
    ),
    "exchange": (
        "Somebody asked them to talk among themselves",
        "Jemand hat sie gebeten, miteinander zu reden",
        "Alguien les pidió que hablaran entre sí",
        "有人让它们互相聊聊",
        "互いに話すよう頼まれたから",
        "طلب منهم أحدهم أن يتحدثوا فيما بينهم",
    ),
    "not_addressed": (
        "Nobody of us was addressed",
        "Niemand von uns war angesprochen",
        "Nadie de nosotros fue llamado",
        "没有叫到我们",
        "誰も呼ばれていなかったから",
        "لم يُخاطب أحد منا",
    ),
    "somebody_else_addressed": (
        "Somebody else was addressed",
        "Jemand anderes war angesprochen",
        "Se dirigía a otra persona",
        "是对别人说的",
        "別の人への発言だったから",
        "كان الكلام موجها لغيرنا",
    ),
    "talked_about": (
        "One of us was talked about, not to",
        "Es war von uns die Rede, nicht an uns",
        "Se hablaba de nosotros, no con nosotros",
        "是谈到我们，不是对我们说",
        "話題にされただけだったから",
        "كان الكلام عنا لا معنا",
    ),
    "filler": (
        "It called for no answer",
        "Darauf war keine Antwort nötig",
        "No pedía respuesta",
        "不需要回答",
        "返事のいらない発言だったから",
        "لم يتطلب ردا",
    ),
    "burst": (
        "Its author went on; the last message was answered",
        "Es ging gleich weiter; beantwortet wurde die letzte Nachricht",
        "Siguió escribiendo; se respondió al último mensaje",
        "作者接着写了；回答的是最后一条",
        "続きがあり、最後の発言に答えたから",
        "تابع صاحبها؛ وكان الرد على آخر رسالة",
    ),
    "late": (
        "It came too late",
        "Sie kam zu spät",
        "Llegó demasiado tarde",
        "它来得太晚了",
        "届くのが遅すぎたから",
        "وصلت متأخرة جدا",
    ),
    "muted": (
        "It had been told to stop",
        "Sie war zum Schweigen gebracht",
        "Le habían pedido silencio",
        "有人让它停下",
        "止まるよう言われていたから",
        "طُلب منها التوقف",
    ),
    "silent_level": (
        "It is set to silent here",
        "Sie ist hier auf still gestellt",
        "Aquí está en silencio",
        "它在这里被设为安静",
        "ここでは silent に設定されているから",
        "ضُبطت هنا على الصمت",
    ),
    "inactive": (
        "It may not speak in this room",
        "Sie darf in diesem Raum nicht sprechen",
        "No puede hablar en esta sala",
        "它不能在这个房间说话",
        "このルームでは話せないから",
        "لا يحق لها الكلام في هذه الغرفة",
    ),
    "not_allowed_to_ask": (
        "The operator answers only certain people",
        "Der Betreiber lässt nur bestimmte Leute fragen",
        "El operador solo responde a ciertas personas",
        "运营者只允许某些人提问",
        "運営者が質問できる人を限っているから",
        "المشغل يجيب أشخاصا معينين فقط",
    ),
    "foreign_notice": (
        "A program wrote it",
        "Ein Programm hat sie geschrieben",
        "La escribió un programa",
        "是程序写的",
        "プログラムの発言だったから",
        "كتبها برنامج",
    ),
    "foreign_ai": (
        "Another AI wrote it, and mentioned none of us",
        "Eine andere KI hat sie geschrieben und niemanden von uns erwähnt",
        "La escribió otra IA sin mencionarnos",
        "是别的 AI 写的，没有提及我们",
        "別の AI の発言で、こちらへのメンションがなかったから",
        "كتبها ذكاء اصطناعي آخر ولم يذكر أحدا منا",
    ),
    "ai_run": (
        "Programs had talked enough among themselves",
        "Programme hatten genug miteinander geredet",
        "Los programas ya habían hablado bastante entre sí",
        "程序之间已经说得够多了",
        "プログラム同士が十分話したから",
        "تحدثت البرامج فيما بينها بما يكفي",
    ),
    "pair_budget": (
        "That program had been answered often enough",
        "Dieses Programm bekam schon genug Antworten",
        "Ese programa ya recibió bastantes respuestas",
        "已经回答这个程序足够多次了",
        "そのプログラムには十分答えたから",
        "نال ذلك البرنامج ردودا كافية",
    ),
    "bounced": (
        "It had gone back and forth between programs",
        "Sie ging schon zwischen Programmen hin und her",
        "Ya iba y venía entre programas",
        "它已经在程序之间来回多次",
        "プログラム間を行き来していたから",
        "تنقلت بين البرامج ذهابا وإيابا",
    ),
    "model_says_nobody": (
        "We had nothing of use to say",
        "Wir hatten nichts Nützliches zu sagen",
        "No teníamos nada útil que decir",
        "我们没有什么有用的话可说",
        "役に立つことがなかったから",
        "لم يكن لدينا ما يفيد",
    ),
    "somebody_spoke": (
        "Somebody spoke meanwhile",
        "Inzwischen hat jemand gesprochen",
        "Mientras tanto alguien habló",
        "期间有人说话了",
        "その間に誰かが話したから",
        "تكلم أحدهم في الأثناء",
    ),
    "budget_person": (
        "That person had asked for enough for now",
        "Wer schrieb, hatte fürs Erste genug gefragt",
        "Esa persona ya había preguntado bastante por ahora",
        "那个人这段时间问得够多了",
        "その人の質問が今のところ上限に達したから",
        "طلب ذلك الشخص ما يكفي في هذا الوقت",
    ),
    "budget_room": (
        "This room had asked for enough for now",
        "In diesem Raum wurde fürs Erste genug gefragt",
        "Esta sala ya había preguntado bastante por ahora",
        "这个房间这段时间问得够多了",
        "このルームの質問が今のところ上限に達したから",
        "طلبت هذه الغرفة ما يكفي في هذا الوقت",
    ),
    "budget_server": (
        "People of that server had asked for enough for now",
        "Von jenem Server wurde fürs Erste genug gefragt",
        "Desde ese servidor ya se había preguntado bastante por ahora",
        "那台服务器的人这段时间问得够多了",
        "そのサーバーの質問が今のところ上限に達したから",
        "طلب أهل ذلك الخادم ما يكفي في هذا الوقت",
    ),
}

PHRASES: Final[Mapping[str, Mapping[str, str]]] = {
    code: dict(zip(_LANGUAGES, phrases, strict=True)) for code, phrases in _PHRASES.items()
}
"""By reason, then by language."""

_TOOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "time": (
        "Looked up the time",
        "Nach der Uhrzeit gesehen",
        "Consultó la hora",
        "查看了时间",
        "時刻を調べた",
        "نظرت في الوقت",
    ),
    "search": (
        "Searched this room",
        "Diesen Raum durchsucht",
        "Buscó en esta sala",
        "搜索了这个房间",
        "このルームを検索した",
        "بحثت في هذه الغرفة",
    ),
    "": (
        "Used the tool {tool}",
        "Das Werkzeug {tool} benutzt",
        "Usó la herramienta {tool}",
        "使用了工具 {tool}",
        "ツール {tool} を使った",
        "استخدمت الأداة {tool}",
    ),
}

_OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "ok": ("it worked", "hat geklappt", "funcionó", "成功了", "成功", "نجح ذلك"),
    "failed": ("it failed", "ist misslungen", "falló", "失败了", "失敗", "فشل ذلك"),
    "refused": (
        "it was not allowed to run",
        "durfte nicht laufen",
        "no se permitió",
        "没有被允许",
        "実行は許可されなかった",
        "لم يُسمح به",
    ),
    "running": (
        "it was interrupted",
        "wurde unterbrochen",
        "se interrumpió",
        "被中断了",
        "中断された",
        "انقطع ذلك",
    ),
}

TOOLS: Final[Mapping[str, Mapping[str, str]]] = {
    tool: dict(zip(_LANGUAGES, phrases, strict=True)) for tool, phrases in _TOOLS.items()
}
"""What was done with a tool, by its name ("": any other), then by language."""

OUTCOMES: Final[Mapping[str, Mapping[str, str]]] = {
    outcome: dict(zip(_LANGUAGES, phrases, strict=True)) for outcome, phrases in _OUTCOMES.items()
}
"""What came of a call, by outcome, then by language."""
