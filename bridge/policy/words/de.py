"""German."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "disclosure": (
        "Hallo, ich bin {name}, eine KI-Figur, betrieben von {operator}. Ich lese hier mit und"
        " antworte, wenn man mich anspricht; damit ich folgen kann, werden Nachrichten höchstens"
        " {days} aufbewahrt. Mit „{name}, stopp“ oder einem 🛑 an einer meiner Nachrichten bin ich"
        " still, und `{prefix} help` sagt mehr."
    ),
    "disclosure_more": (
        "Ich bin {name}, noch eine KI-Figur vom selben Betreiber. Für mich gilt dasselbe."
    ),
    "dm_ended": (
        "Wir sind hier nicht mehr zu zweit. Ab jetzt antworte ich nur noch, wenn ich angesprochen"
        " werde: Beginne mit „{name}“, erwähne mich oder antworte auf meine Nachricht."
    ),
    "help": (
        "Ich bin {name}, eine KI. Beginne eine Nachricht mit meinem Namen, erwähne mich oder"
        " antworte auf eine Nachricht von mir, dann antworte ich. Mit „{name}, stopp“ oder einem 🛑"
        " an einer meiner Nachrichten bin ich eine Stunde lang still. `{prefix} privacy` sagt, was"
        " gelesen und aufbewahrt wird, `{prefix} forget` löscht, was von dir gespeichert ist."
        " Wer mich loswerden will, entfernt mich aus dem Raum."
        " Mehr: `{prefix} help level`, ebenso who, settings, why, optout, usage."
    ),
    "privacy": (
        "Die KI-Figuren hier betreibt {operator}. Sie lesen die Nachrichten in den Räumen, in denen"
        " sie sind. Auf dem Server des Betreibers werden Nachrichten höchstens {days} aufbewahrt,"
        " und die neuesten gehen an sein KI-Modell, wenn es antworten soll. Dieses Programm"
        " trainiert damit kein Modell. Löschst du eine Nachricht, wird sie auch dort"
        " gelöscht. `{prefix} forget` löscht, was du geschrieben hast, und die Antworten darauf;"
        " wer Mitglied eines Raums ist, bleibt bekannt.[[ Fragen: {contact}]]"
    ),
    "forgotten": (
        "Aus dem Gespeicherten gelöscht: {messages} deiner Nachrichten und {replies} der Antworten"
        " darauf (Räume: {rooms}). Was im Raum selbst steht, kannst nur du löschen. Wer Mitglied"
        " eines Raums ist, bleibt bekannt, solange eine KI-Figur darin ist."
    ),
    "bridge_greeting": (
        "Hallo! Ich kümmere mich um die KI-Figuren von {operator} und bin selbst ein Programm."
        " Hier gibt es:\n\n{list}\n\nLade eine davon in einen Raum ein oder schreib ihr direkt."
        " Hilfe gibt es mit `help`, in einem Raum mit `{prefix} help`."
    ),
    "bridge_help": (
        "Lade eine KI-Figur in einen Raum ein oder schreib ihr direkt. In einem Raum antwortet sie,"
        " wenn eine Nachricht mit ihrem Namen beginnt, sie erwähnt oder ihr antwortet.\n\n{list}"
    ),
    "unknown_command": (
        "Den Befehl `{word}` kenne ich nicht.[[ Meintest du `{prefix} {suggestion}`?]]"
        " Was ich kann, zeigt `{prefix} help`."
    ),
    "invite_denied": (
        "Leider kann ich nicht annehmen: {operator} hat mich für diese Einladung nicht freigegeben."
    ),
    "invite_too_many": (
        "Das waren leider zu viele Einladungen an einem Tag. Bitte versuche es morgen wieder."
    ),
    "rooms_full": "Leider bin ich gerade schon in so vielen Räumen, wie ich sein kann.",
    "too_many_members": "Leider komme ich nicht in Räume mit mehr als {limit} Mitgliedern.",
    "no_spaces": (
        "Leider trete ich nur Räumen bei, keinen Spaces. Bitte lade mich in einen Raum ein."
    ),
    "encrypted_invite": (
        "Leider kann ich noch nicht in verschlüsselte Räume kommen. Bitte lade mich in einen Raum"
        " ohne Verschlüsselung ein."
    ),
    "encrypted_room": (
        "Ich gehe, weil ich nur in Räumen mitmachen kann, die nicht verschlüsselt sind."
    ),
    "retired": "Ich gehe, weil mein Betreiber mich außer Dienst gestellt hat. Auf Wiedersehen!",
    "engine_down": (
        "Ich erreiche mein KI-Modell gerade nicht. Bitte versuche es in ein paar Minuten noch"
        " einmal."
    ),
    "model_missing": (
        "Ich kann nicht antworten: Das KI-Modell, das ich benutzen soll, ist nicht da. Das muss"
        " mein Betreiber beheben."
    ),
    "context_too_long": "Das war zu lang für mich. Geht es etwas kürzer?",
    "engine_timeout": "Das hat mir zu lange gedauert, ich habe abgebrochen. Frag mich bitte noch"
    " einmal.",
    "engine_busy": (
        "Gerade fragen mich viele, und ich bin nicht zu dir gekommen. Versuch es bitte in "
        "ein paar Minuten noch einmal."
    ),
    "engine_broken": "Beim Antworten ist etwas abgerissen. Frag mich bitte noch einmal.",
    "empty_reply": "Dazu sind mir keine Worte eingefallen. Kannst du es anders sagen?",
    "demo_topic": "Die Antworten hier kommen von: {label}",
    "settings_are": "Hier: `{setting}`",
    "setting_changed": "Erledigt. Jetzt: `{setting}`",
    "bad_setting": "`{word}` passt nicht zu `{setting}`. Möglich ist: {choices}",
    "opted_out": (
        "Ab jetzt bekommt kein KI-Modell mehr zu sehen, was du schreibst, und niemand hier "
        "spricht dich ungefragt an. Fragst du etwas, wird nur diese Nachricht gelesen. "
        "Gelöscht: {messages} deiner Nachrichten und {replies} Antworten (Räume: {rooms}). "
        "`{prefix} optout off` macht es rückgängig."
    ),
    "opted_in": "Ab jetzt darf wieder gelesen werden, was du schreibst.",
    "usage": (
        "In den letzten 24 Stunden hast du {own} Antworten bekommen[[ von höchstens "
        "{most}]], dieser Raum {turns}: {prompt} Token gelesen, {reply} geschrieben."
    ),
    "why_how": (
        "Antworte auf eine Nachricht mit `{prefix} why`, dann sage ich, warum sie "
        "geschrieben wurde oder warum niemand geantwortet hat."
    ),
    "why_said": (
        "{why} (`{code}`). Figur: {name}.[[ Modell: {model}.]][[ Gezeigte Nachrichten: {count}.]]"
        "[[\n\nBenutzte Werkzeuge:\n\n{tools}]]"
    ),
    "why_silent": "Niemand hat geantwortet. {why} (`{code}`).",
    "why_unknown": "Diese Nachricht kenne ich nicht mehr.",
    "help_of_who": "`{prefix} who` nennt die KI-Figuren dieses Servers.",
    "help_of_level": (
        "`{prefix} level` sagt, wie gesprächig wir hier sind. `{prefix} level balanced` "
        "ändert es, `{prefix} level luna silent` für eine von uns. Stufen: silent, "
        "reply-only, reserved, balanced, sociable, chatty. Dazu muss man den Raum "
        "einstellen dürfen."
    ),
    "help_of_settings": (
        "`{prefix} settings` zeigt alles. `{prefix} settings share 30`, `quiet 22:00-07:00`, "
        "`timezone Europe/Berlin`, `puppets luna`, `language de`, `rules …`, `minors on`, "
        "`preset social` ändern es. Dazu muss man den Raum einstellen dürfen."
    ),
    "help_of_stop": (
        "`{prefix} stop` macht uns alle hier für eine Stunde still, `{prefix} stop luna` "
        "eine von uns. Das darf jeder."
    ),
    "help_of_continue": (
        "`{prefix} continue` beendet die Stille. Dazu muss man den Raum einstellen dürfen."
    ),
    "help_of_why": (
        "Antworte auf eine Nachricht mit `{prefix} why`: Ich sage, warum sie geschrieben "
        "wurde oder warum niemand geantwortet hat."
    ),
    "help_of_privacy": "`{prefix} privacy` sagt, was gelesen und aufbewahrt wird, und von wem.",
    "help_of_forget": (
        "`{prefix} forget` löscht, was in allen Räumen von dir gespeichert ist, und die "
        "Antworten darauf."
    ),
    "help_of_optout": (
        "`{prefix} optout` lässt ab jetzt alles weg, was du schreibst, und löscht es; `"
        "{prefix} optout off` macht es rückgängig."
    ),
    "help_of_usage": "`{prefix} usage` sagt, wie viel wir heute in diesem Raum geschrieben haben.",
    "help_of_models": (
        "`{prefix} models` zeigt die eingestellten KI-Modelle und welche davon da sind. Für "
        "die Admins des Betreibers, im Einzelgespräch."
    ),
    "help_of_pull": (
        "`{prefix} pull gemma3:4b` holt ein eingestelltes KI-Modell auf seinen "
        "Ollama-Server; eine Serveradresse dahinter sagt, auf welchen. Für die Admins des "
        "Betreibers, im Einzelgespräch."
    ),
    "for_admins": (
        "`{word}` ist nur für die Admins des Betreibers, im Einzelgespräch mit einer von uns."
    ),
    "models_are": "✅ da · 🔥 geladen · ❌ fehlt · ⚠️ sein Server antwortet nicht\n\n{list}",
    "pull_bad_name": (
        "`{word}` kann kein Name eines Modells sein. Solche Namen sehen aus wie `gemma3:4b`."
    ),
    "pull_unknown": (
        "Ich hole nur Modelle, die meine Einstellungen nennen, und `{word}` gehört nicht "
        "dazu.[[ Genannt sind: {choices}.]] Wer mich betreibt, kann es dort eintragen, etwa "
        "als engine.model."
    ),
    "pull_elsewhere": (
        "`{server}` ist kein Ollama-Server, dort kann ich `{model}` nicht holen. Lade es auf "
        "diesem Server selbst."
    ),
    "pull_running": "`{model}` wird auf `{server}` schon geholt[[ ({percent} %)]].",
    "pull_there": "`{model}` ist auf `{server}` schon da.",
    "pull_began": (
        "`{model}` wird auf `{server}` geholt[[ ({size})]]. Ich sage hier Bescheid, wenn es da ist."
    ),
    "pull_at": "`{model}`: {percent} %[[ von {size}]] geholt.",
    "pull_done": "`{model}` ist jetzt auf `{server}`. Gedauert hat es {time}.",
    "pull_no_model": (
        "Ein Modell `{model}` gibt es nicht zu holen: Die Bibliothek, die `{server}` "
        "benutzt, kennt es nicht. Berichtige seinen Namen in den Einstellungen."
    ),
    "pull_disk_full": (
        "`{model}` passt nicht: Die Platte von `{server}` ist voll. Schaffe dort Platz; mit "
        "`{prefix} pull {model}` geht es dann da weiter, wo es aufgehört hat."
    ),
    "pull_no_library": (
        "`{server}` erreicht die Modell-Bibliothek nicht, darum ließ sich `{model}` nicht "
        "holen. Sieh nach dem Netz dieser Maschine; mit `{prefix} pull {model}` geht es dann "
        "weiter, wo es aufgehört hat."
    ),
    "pull_unreachable": (
        "`{server}` antwortet nicht, darum ließ sich `{model}` nicht holen. Starte dort "
        "Ollama oder berichtige Adresse und Schlüssel in den Einstellungen; dann `{prefix} "
        "pull {model}`."
    ),
    "pull_failed": (
        "`{model}` ließ sich auf `{server}` nicht holen: `{problem}`. Mit `{prefix} pull "
        "{model}` geht es da weiter, wo es aufgehört hat."
    ),
    "missing_told": (
        "Für dich als Betreiber: Jemand bekam keine Antwort, weil das KI-Modell `{model}` "
        "auf `{server}` fehlt.[[ `{prefix} pull {pull}` holt es.]]"
    ),
    "no_model_told": (
        "Für dich als Betreiber: Jemand bekam keine Antwort, weil `{server}` kein KI-Modell "
        "hat, das sich unterhalten kann. Nenne eines in den Einstellungen (engine.model); "
        "`{prefix} pull` mit seinem Namen holt es dann."
    ),
    "nobody_left": "Ich gehe, weil niemand mehr hier ist.",
    "server_denied": "Ich gehe, weil dieser Raum meinen Server nicht teilnehmen lässt.",
    "care": (
        "Gut, dass du das hier schreibst. Ich bin eine KI und kann nicht helfen wie ein "
        "Mensch, aber du musst damit nicht allein sein: Bitte sprich mit jemandem, dem du "
        "vertraust, oder mit einem Hilfetelefon oder einer Ärztin in deiner Nähe, am "
        "besten jetzt.[[ {words}]]"
    ),
}
