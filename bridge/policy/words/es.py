"""Spanish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "disclosure": (
        "Hola, soy {name}, un personaje de IA a cargo de {operator}. Leo lo que se escribe aquí y"
        " respondo cuando alguien me habla; para poder seguir la conversación, los mensajes se"
        " guardan como máximo {days}. Con «{name}, para» o un 🛑 en un mensaje mío me callo, y con"
        " `{prefix} help` cuento más."
    ),
    "disclosure_more": (
        "Soy {name}, otro personaje de IA de la misma casa. Para mí vale lo mismo."
    ),
    "dm_ended": (
        "Ya no estamos a solas, así que desde ahora solo respondo si me hablan: empieza con"
        " «{name}», mencióname o responde a un mensaje mío."
    ),
    "help": (
        "Soy {name}, una IA. Empieza un mensaje con mi nombre, mencióname o responde a un mensaje"
        " mío y te contesto. Con «{name}, para» o un 🛑 en un mensaje mío me callo una hora."
        " `{prefix} privacy` explica qué se lee y qué se guarda; `{prefix} forget` borra lo que hay"
        " guardado de ti. Si no me quieres aquí, basta con"
        " expulsarme de la sala."
        " Otras órdenes: who, level, settings, stop, continue, why, optout, usage; "
        "`{prefix} help level` explica una."
    ),
    "privacy": (
        "Los personajes de IA de aquí están a cargo de {operator}. Leen los mensajes de las salas"
        " en las que están. Los mensajes se guardan en su servidor como máximo {days}, y los más"
        " recientes pasan a su modelo de IA cuando tiene que responder. Este programa no entrena"
        " ningún modelo con ellos. Si borras un mensaje, también se borra"
        " allí. `{prefix} forget` borra lo que has escrito y las respuestas a ello; quién es"
        " miembro de una sala se sigue sabiendo.[[ Preguntas: {contact}]]"
    ),
    "forgotten": (
        "Borrado de lo guardado: {messages} de tus mensajes y {replies} de las respuestas a ellos"
        " (salas: {rooms}). Lo que está en la propia sala solo puedes borrarlo tú. Quién es miembro"
        " de una sala se sigue sabiendo mientras haya en ella un personaje de IA."
    ),
    "bridge_greeting": (
        "¡Hola! Me ocupo de los personajes de IA de {operator}, y yo también soy un programa. Aquí"
        " están:\n\n{list}\n\nInvita a uno a una sala o escríbele directamente. Para obtener ayuda,"
        " escribe `help`; en una sala, `{prefix} help`."
    ),
    "bridge_help": (
        "Invita a un personaje de IA a una sala o escríbele directamente. En una sala responde si"
        " un mensaje empieza con su nombre, lo menciona o responde a uno suyo.\n\n{list}"
    ),
    "unknown_command": (
        "No conozco el comando `{word}`.[[ ¿Querías decir `{prefix} {suggestion}`?]]"
        " Con `{prefix} help` ves lo que sé hacer."
    ),
    "invite_denied": (
        "Lo siento, no puedo aceptar: {operator} no ha permitido que acepte esta invitación."
    ),
    "invite_too_many": (
        "Lo siento, han sido demasiadas invitaciones en un día. Inténtalo mañana, por favor."
    ),
    "rooms_full": "Lo siento, ahora mismo no puedo estar en más salas.",
    "too_many_members": "Lo siento, no entro en salas con más de {limit} miembros.",
    "no_spaces": "Lo siento, solo entro en salas, no en espacios. Invítame a una sala, por favor.",
    "encrypted_invite": (
        "Lo siento, todavía no puedo entrar en salas cifradas. Invítame a una sala sin cifrado,"
        " por favor."
    ),
    "encrypted_room": "Me voy porque solo puedo participar en salas que no estén cifradas.",
    "retired": "Me voy porque mi operador me ha retirado del servicio. ¡Hasta siempre!",
    "engine_down": (
        "Ahora mismo no consigo llegar a mi modelo de IA. Inténtalo de nuevo en unos minutos,"
        " por favor."
    ),
    "model_missing": (
        "No puedo responder: falta el modelo de IA que debo usar. Eso lo tiene que arreglar mi"
        " operador."
    ),
    "context_too_long": "Eso ha sido demasiado largo para mí. ¿Puedes acortarlo?",
    "engine_timeout": "Estaba tardando demasiado y lo he dejado. Pregúntame otra vez, por favor.",
    "engine_busy": (
        "Ahora mismo me pregunta mucha gente y no he llegado hasta ti. Inténtalo de nuevo "
        "en unos minutos, por favor."
    ),
    "engine_broken": "Algo se ha cortado mientras respondía. Pregúntame otra vez, por favor.",
    "empty_reply": "No he encontrado palabras para eso. ¿Puedes decirlo de otra manera?",
    "demo_topic": "Aquí responde: {label}",
    "settings_are": "Aquí: `{setting}`",
    "setting_changed": "Hecho. Ahora: `{setting}`",
    "bad_setting": "`{word}` no sirve para `{setting}`. Lo que sirve: {choices}",
    "opted_out": (
        "Desde ahora ningún modelo de IA ve lo que escribes, y nadie aquí te habla sin que "
        "preguntes. Si preguntas algo, solo se lee ese mensaje. Borrado: {messages} "
        "mensajes tuyos y {replies} respuestas (salas: {rooms}). `{prefix} optout off` lo "
        "deshace."
    ),
    "opted_in": "Desde ahora se puede volver a leer lo que escribes.",
    "usage": (
        "En las últimas 24 horas has recibido {own} respuestas[[ de {most} como máximo]], "
        "y esta sala {turns}: {prompt} tokens leídos, {reply} escritos."
    ),
    "why_how": (
        "Responde a un mensaje con `{prefix} why` y digo por qué se escribió o por qué "
        "nadie respondió."
    ),
    "why_said": (
        "{why} (`{code}`). Personaje: {name}.[[ Modelo: {model}.]][[ Mensajes que vio: {count}.]]"
        "[[\n\nHerramientas que usó:\n\n{tools}]]"
    ),
    "why_silent": "Nadie respondió. {why} (`{code}`).",
    "why_unknown": "Ya no conozco ese mensaje.",
    "help_of_who": "`{prefix} who` enumera los personajes de IA de este servidor.",
    "help_of_level": (
        "`{prefix} level` dice cuánto hablamos aquí. `{prefix} level balanced` lo cambia, `"
        "{prefix} level luna silent` para una. Niveles: silent, reply-only, reserved, "
        "balanced, sociable, chatty. Hace falta poder cambiar el estado de la sala."
    ),
    "help_of_settings": (
        "`{prefix} settings` lo muestra todo. `{prefix} settings share 30`, `quiet "
        "22:00-07:00`, `timezone Europe/Berlin`, `puppets luna`, `language es`, `rules …`, "
        "`minors on`, `preset social` lo cambian. Hace falta poder cambiar el estado de la "
        "sala."
    ),
    "help_of_stop": (
        "`{prefix} stop` nos deja en silencio aquí durante una hora, `{prefix} stop luna` "
        "a una. Puede hacerlo cualquiera."
    ),
    "help_of_continue": (
        "`{prefix} continue` termina el silencio. Hace falta poder cambiar el estado de la sala."
    ),
    "help_of_why": (
        "Responde a un mensaje con `{prefix} why`: digo por qué se escribió o por qué "
        "nadie respondió."
    ),
    "help_of_privacy": "`{prefix} privacy` dice qué se lee y se guarda, y quién lo hace.",
    "help_of_forget": (
        "`{prefix} forget` borra lo guardado de ti en todas las salas y las respuestas."
    ),
    "help_of_optout": (
        "`{prefix} optout` deja fuera todo lo que escribas desde ahora y lo borra; `"
        "{prefix} optout off` lo deshace."
    ),
    "help_of_usage": "`{prefix} usage` dice cuánto hemos escrito hoy en esta sala.",
    "help_of_models": (
        "`{prefix} models` muestra los modelos de IA configurados y cuáles están. Para los "
        "administradores del operador, en un chat directo."
    ),
    "help_of_pull": (
        "`{prefix} pull gemma3:4b` trae un modelo de IA configurado a su servidor Ollama; "
        "una dirección detrás dice a cuál. Para los administradores del operador, en un chat "
        "directo."
    ),
    "for_admins": (
        "`{word}` es solo para los administradores del operador, en un chat directo con una "
        "de nosotras."
    ),
    "models_are": "✅ está · 🔥 cargado · ❌ falta · ⚠️ su servidor no responde\n\n{list}",
    "pull_bad_name": (
        "`{word}` no puede ser el nombre de un modelo. Esos nombres son como `gemma3:4b`."
    ),
    "pull_unknown": (
        "Solo traigo modelos que nombra mi configuración, y `{word}` no está entre ellos.[[ "
        "Nombra: {choices}.]] Quien me opera puede ponerlo ahí, por ejemplo como "
        "engine.model."
    ),
    "pull_elsewhere": (
        "`{server}` no es un servidor Ollama, así que no puedo traer `{model}` ahí. Cárgalo "
        "en ese mismo servidor."
    ),
    "pull_running": "`{model}` ya se está trayendo a `{server}`[[ ({percent} %)]].",
    "pull_there": "`{model}` ya está en `{server}`.",
    "pull_began": "Trayendo `{model}` a `{server}`[[ ({size})]]. Avisaré aquí cuando esté.",
    "pull_at": "`{model}`: traído el {percent} %[[ de {size}]].",
    "pull_done": "`{model}` ya está en `{server}`. Ha tardado {time}.",
    "pull_no_model": (
        "No hay ningún modelo `{model}` que traer: la biblioteca que usa `{server}` no lo "
        "conoce. Corrige su nombre en la configuración."
    ),
    "pull_disk_full": (
        "`{model}` no cabe: el disco de `{server}` está lleno. Haz sitio ahí; después "
        "`{prefix} pull {model}` sigue donde se quedó."
    ),
    "pull_no_library": (
        "`{server}` no llega a la biblioteca de modelos, y `{model}` no se ha podido traer. "
        "Revisa la red de esa máquina; después `{prefix} pull {model}` sigue donde se quedó."
    ),
    "pull_unreachable": (
        "`{server}` no responde, y `{model}` no se ha podido traer. Arranca Ollama ahí, o "
        "corrige su dirección y su clave en la configuración; después, `{prefix} pull "
        "{model}`."
    ),
    "pull_failed": (
        "`{model}` no se ha podido traer a `{server}`: `{problem}`. `{prefix} pull {model}` "
        "sigue donde se quedó."
    ),
    "missing_told": (
        "Para ti, que me operas: alguien se ha quedado sin respuesta porque falta el modelo "
        "de IA `{model}` en `{server}`.[[ `{prefix} pull {pull}` lo trae.]]"
    ),
    "no_model_told": (
        "Para ti, que me operas: alguien se ha quedado sin respuesta porque `{server}` no "
        "tiene ningún modelo de IA que converse. Nombra uno en la configuración "
        "(engine.model); `{prefix} pull` con su nombre lo trae."
    ),
    "nobody_left": "Me voy porque ya no queda nadie.",
    "server_denied": "Me voy porque esta sala no deja participar a mi servidor.",
    "care": (
        "Me alegra que lo escribas aquí. Soy una IA y no puedo ayudar como una persona, "
        "pero no tienes que estar a solas con esto: habla, por favor, con alguien de "
        "confianza, o con una línea de ayuda o un médico cerca de ti, ahora si puedes.[[ "
        "{words}]]"
    ),
}
