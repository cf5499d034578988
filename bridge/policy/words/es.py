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
    "engine_broken": "Algo se ha cortado mientras respondía. Pregúntame otra vez, por favor.",
    "empty_reply": "No he encontrado palabras para eso. ¿Puedes decirlo de otra manera?",
    "demo_topic": "Aquí responde: {label}",
}
