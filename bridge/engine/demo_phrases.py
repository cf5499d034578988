"""What the demo engine can say and understand, by language.

`{name}` the puppet, `{about}` its one-line description, `{asker}` who asks, `{topic}` what was
asked, `{sum}` and `{result}` a calculation, `{time}` the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """Sentences of one language; where there are several, the question decides which one."""

    no_model: tuple[str, ...]
    """Says what this is. Every answer that is more than a courtesy ends with one of these."""
    who: tuple[str, ...]
    who_undescribed: tuple[str, ...]
    hello: tuple[str, ...]
    help: tuple[str, ...]
    thanks: tuple[str, ...]
    bye: tuple[str, ...]
    time: tuple[str, ...]
    sum: tuple[str, ...]
    reflect: tuple[str, ...]
    empty: tuple[str, ...]


PHRASES: Final[dict[str, Phrases]] = {
    "en": Phrases(
        no_model=(
            "I'm only the demo engine; connect an Ollama to get real answers.",
            "No AI model is connected here, only a small demo. An Ollama would do better.",
            "This is the built-in demo speaking: fixed rules, no AI model.",
        ),
        who=("I'm {name}: {about}", "My name is {name}. {about}"),
        who_undescribed=("I'm {name}.", "My name is {name}."),
        hello=("Hello {asker}!", "Hi {asker}, good to see you."),
        help=(
            "You can ask who I am, what time it is, or a sum such as 12*7.",
            "Try: who are you? What time is it? What is 12*7?",
        ),
        thanks=("You're welcome, {asker}!", "Any time, {asker}."),
        bye=("Goodbye, {asker}!", "See you, {asker}."),
        time=("My clock says {time} UTC.", "It is {time} UTC."),
        sum=("{sum} = {result}.", "That makes {result}."),
        reflect=(
            "You asked about “{topic}”.",
            "“{topic}”: a good thing to ask.",
            "I read “{topic}”, and I would like to know that too.",
        ),
        empty=("Yes, {asker}?", "I'm here, {asker}."),
    ),
    "de": Phrases(
        no_model=(
            "Ich bin nur die Demo; verbinde ein Ollama, dann gibt es echte Antworten.",
            "Hier ist kein KI-Modell verbunden, nur eine kleine Demo.",
            "Hier spricht die eingebaute Demo: feste Regeln, kein KI-Modell.",
        ),
        who=("Ich bin {name}: {about}", "Ich heiße {name}. {about}"),
        who_undescribed=("Ich bin {name}.", "Ich heiße {name}."),
        hello=("Hallo {asker}!", "Hallo {asker}, schön, dich zu sehen."),
        help=(
            "Frag mich, wer ich bin, wie spät es ist, oder etwas wie 12*7.",
            "Versuch es mit: Wer bist du? Wie spät ist es? Was ist 12*7?",
        ),
        thanks=("Gern geschehen, {asker}!", "Immer gern, {asker}."),
        bye=("Tschüss, {asker}!", "Bis bald, {asker}."),
        time=("Meine Uhr sagt {time} UTC.", "Es ist {time} UTC."),
        sum=("{sum} = {result}.", "Das macht {result}."),
        reflect=(
            "Du hast nach „{topic}“ gefragt.",
            "„{topic}“: eine gute Frage.",
            "Ich lese „{topic}“ und wüsste das auch gern.",
        ),
        empty=("Ja, {asker}?", "Ich bin da, {asker}."),
    ),
    "es": Phrases(
        no_model=(
            "Solo soy el motor de demostración; conecta un Ollama para tener respuestas de verdad.",
            "Aquí no hay ningún modelo de IA conectado, solo una pequeña demostración.",
            "Habla la demostración incluida: reglas fijas, sin modelo de IA.",
        ),
        who=("Soy {name}: {about}", "Me llamo {name}. {about}"),
        who_undescribed=("Soy {name}.", "Me llamo {name}."),
        hello=("¡Hola, {asker}!", "Hola, {asker}, qué gusto verte."),
        help=(
            "Puedes preguntarme quién soy, qué hora es o una cuenta como 12*7.",
            "Prueba: ¿quién eres? ¿Qué hora es? ¿Cuánto es 12*7?",
        ),
        thanks=("¡De nada, {asker}!", "Cuando quieras, {asker}."),
        bye=("¡Adiós, {asker}!", "Hasta pronto, {asker}."),
        time=("Mi reloj marca las {time} UTC.", "Son las {time} UTC."),
        sum=("{sum} = {result}.", "Eso da {result}."),
        reflect=(
            "Has preguntado por «{topic}».",
            "«{topic}»: buena pregunta.",
            "Leo «{topic}», y a mí también me gustaría saberlo.",
        ),
        empty=("¿Sí, {asker}?", "Aquí estoy, {asker}."),
    ),
    "zh": Phrases(
        no_model=(
            "我只是演示引擎，连接 Ollama 后才会有真正的回答。",
            "这里没有连接 AI 模型，只有一个小演示。",
            "这是内置演示：只有固定规则，没有 AI 模型。",
        ),
        who=("我是{name}：{about}", "我叫{name}。{about}"),
        who_undescribed=("我是{name}。", "我叫{name}。"),
        hello=("你好，{asker}！", "{asker}，很高兴见到你。"),
        help=(
            "你可以问我是谁、现在几点，或者 12*7 这样的算式。",
            "试试：你是谁？现在几点？12*7 是多少？",
        ),
        thanks=("不客气，{asker}！", "不用谢，{asker}。"),
        bye=("再见，{asker}！", "回头见，{asker}。"),
        time=("我的时钟显示 {time} UTC。", "现在是 {time} UTC。"),
        sum=("{sum} = {result}。", "结果是 {result}。"),
        reflect=(
            "你问的是“{topic}”。",
            "“{topic}”，问得好。",
            "我看到了“{topic}”，我也想知道。",
        ),
        empty=("{asker}，什么事？", "我在，{asker}。"),
    ),
    "ja": Phrases(
        no_model=(
            "私はただのデモエンジンです。Ollama をつなぐと本当の返事ができます。",
            "ここには AI モデルがつながっておらず、小さなデモだけです。",
            "内蔵デモの返事です。決まった規則だけで、AI モデルはありません。",
        ),
        who=("{name}です。{about}", "私の名前は{name}です。{about}"),
        who_undescribed=("{name}です。", "私の名前は{name}です。"),
        hello=("こんにちは、{asker}さん！", "{asker}さん、お会いできてうれしいです。"),
        help=(
            "私が誰か、今何時か、12*7 のような計算を聞いてみてください。",
            "例えば「あなたは誰？」「今何時？」「12*7 は？」です。",
        ),
        thanks=("どういたしまして、{asker}さん！", "いつでもどうぞ、{asker}さん。"),
        bye=("さようなら、{asker}さん！", "またね、{asker}さん。"),
        time=("私の時計では {time} UTC です。", "今は {time} UTC です。"),
        sum=("{sum} = {result} です。", "答えは {result} です。"),
        reflect=(
            "「{topic}」についての質問ですね。",
            "「{topic}」、いい質問です。",
            "「{topic}」ですか。私も知りたいです。",
        ),
        empty=("はい、{asker}さん？", "ここにいますよ、{asker}さん。"),
    ),
    "ar": Phrases(
        no_model=(
            "أنا محرك العرض التجريبي فقط؛ صِل خادم Ollama لتحصل على إجابات حقيقية.",
            "لا يوجد نموذج ذكاء اصطناعي متصل هنا، بل عرض تجريبي صغير فقط.",
            "هذا هو العرض التجريبي المدمج: قواعد ثابتة دون نموذج ذكاء اصطناعي.",
        ),
        who=("أنا {name}: {about}", "اسمي {name}. {about}"),
        who_undescribed=("أنا {name}.", "اسمي {name}."),
        hello=("مرحبًا {asker}!", "أهلًا {asker}، سعيد برؤيتك."),
        help=(
            "يمكنك أن تسألني من أنا، أو كم الساعة، أو عملية مثل 12*7.",
            "جرّب: من أنت؟ كم الساعة؟ كم يساوي 12*7؟",
        ),
        thanks=("على الرحب والسعة يا {asker}!", "في أي وقت يا {asker}."),
        bye=("مع السلامة يا {asker}!", "إلى اللقاء يا {asker}."),
        time=("ساعتي تشير إلى {time} UTC.", "الساعة الآن {time} UTC."),
        sum=("{sum} = {result}.", "الناتج هو {result}."),
        reflect=(
            "سألت عن «{topic}».",
            "«{topic}»: سؤال جيد.",
            "قرأت «{topic}»، وأود أن أعرف ذلك أيضًا.",
        ),
        empty=("نعم يا {asker}؟", "أنا هنا يا {asker}."),
    ),
}

WHO: Final = (
    r"who\s+are\s+you|what\s+are\s+you|who\s+is\s+this|your\s+name|introduce\s+yourself"
    r"|are\s+you\s+(an?\s+)?(ai|human|real|bot|robot|model)|about\s+yourself"
    r"|wer\s+bist\s+du|was\s+bist\s+du|wie\s+hei(ß|ss)t\s+du|stell\s+dich\s+vor"
    r"|qui[eé]n\s+eres|qu[eé]\s+eres|c[oó]mo\s+te\s+llamas|pres[eé]ntate"
    r"|你是(谁|誰|什么|什麼)|你叫什|您是(谁|誰)|介绍一下你|自我介绍"
    r"|(あなた|君)は(誰|だれ|何)|お?名前は|(誰|だれ)ですか|自己紹介|何者"
    r"|من\s+(أنت|انت)|ما\s+اسمك|عر[ّ]?ف(ي)?\s+(بنفسك|عن\s+نفسك)"
)
HELP: Final = (
    r"\bhelp\b|what\s+can\s+you\s+do|\bhilfe\b|was\s+kannst\s+du|\bayuda\b|qu[eé]\s+puedes\s+hacer"
    r"|帮助|幫助|你(能|会)做什|ヘルプ|何ができ|助けて|مساعدة|ماذا\s+يمكنك"
)
THANKS: Final = r"\bthank(s|\s+you)\b|\bthx\b|\bdanke\b|\bgracias\b|谢谢|謝謝|多谢|ありがと|شكر"
BYE: Final = (
    r"\b(good)?bye\b|see\s+you|\btsch(ü|ue)ss\b|auf\s+wiedersehen|\badi[oó]s\b|hasta\s+(luego|pronto)"
    r"|再见|再見|さようなら|またね|مع\s+السلامة|وداعا"
)
HELLO: Final = (
    r"^\W*(hello|hi|hey|good\s+(morning|evening|afternoon)|hallo|guten\s+(tag|morgen|abend)|moin"
    r"|hola|buen[oa]s\s+\w+|你好|您好|嗨|こんにちは|こんばんは|おはよう|やあ|مرحبا|أهلا|اهلا|السلام)"
    r"(?![^\W\d_])"
)
TIME: Final = (
    r"what('s|\s+is)?\s+(the\s+)?time|wh?at\s+time|wie\s+sp(ä|ae)t|wie\s*viel\s+uhr|qu[eé]\s+hora"
    r"|几点|幾點|什么时间|何時|いま?なんじ|كم\s+الساعة"
)
