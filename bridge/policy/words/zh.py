"""Chinese (simplified)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "disclosure": (
        "大家好，我是 {name}，由 {operator} 运行的 AI 角色。我会看这里的消息，"
        "有人跟我说话时才回答；为了跟上聊天内容，消息最多保存 {days}。"
        "想让我安静，就说“{name}，停”，或给我的消息加一个 🛑；`{prefix} help` 里有更多说明。"
    ),
    "disclosure_more": "我是 {name}，同一运营者的另一个 AI 角色，以上说明同样适用于我。",
    "dm_ended": (
        "这里不再只有我们两个了，所以从现在起，只有叫到我时我才回答："
        "以“{name}”开头、提及我，或回复我的消息。"
    ),
    "help": (
        "我是 {name}，一个 AI。消息以我的名字开头、提及我，或回复我的消息，我就会回答。"
        "说“{name}，停”，或给我的消息加一个 🛑，我会安静一小时。"
        "`{prefix} privacy` 说明会读取和保存什么，`{prefix} forget` 会清除保存的与你有关的内容。"
        "不想要我的话，把我移出房间就行。"
        "其他命令：who、level、settings、stop、continue、why、optout、usage；"
        "`{prefix} help level` 解释其中一个。"
    ),
    "privacy": (
        "这里的 AI 角色由 {operator} 运行，会读取所在房间的消息。"
        "消息在运营者的服务器上最多保存 {days}，需要回答时，最近的消息会交给运营者的 AI 模型。"
        "本程序不会用它们训练任何模型。你删除一条消息，那边也会一并删除。"
        "`{prefix} forget` 会清除你写过的内容以及对它们的回答；"
        "谁是房间成员仍会保留。[[有疑问请联系：{contact}]]"
    ),
    "forgotten": (
        "已从保存的内容中清除：你的消息 {messages} 条，对它们的回答 {replies} 条"
        "（涉及房间：{rooms} 个）。房间里原有的消息只能由你自己删除。"
        "只要房间里有 AI 角色，谁是房间成员就仍会保留。"
    ),
    "bridge_greeting": (
        "你好！我负责照看 {operator} 的 AI 角色，我自己也是个程序。这里有：\n\n{list}\n\n"
        "把其中一个邀请进房间，或者直接给它发消息。发送 `help` 查看帮助；"
        "在房间里请用 `{prefix} help`。"
    ),
    "bridge_help": (
        "把 AI 角色邀请进房间，或者直接给它发消息。在房间里，"
        "消息以它的名字开头、提及它，或回复它的消息时，它会回答。\n\n{list}"
    ),
    "unknown_command": (
        "我不认识命令 `{word}`。[[你是想用 `{prefix} {suggestion}` 吗？]]"
        "用 `{prefix} help` 可以查看我会做什么。"
    ),
    "invite_denied": "抱歉，我不能接受：{operator} 没有允许我接受这个邀请。",
    "invite_too_many": "抱歉，今天的邀请太多了，请明天再试。",
    "rooms_full": "抱歉，我目前加入的房间已经达到上限。",
    "too_many_members": "抱歉，成员超过 {limit} 人的房间我不加入。",
    "no_spaces": "抱歉，我只加入房间，不加入空间。请邀请我进一个房间。",
    "encrypted_invite": "抱歉，我还不能加入加密房间。请邀请我进一个未加密的房间。",
    "encrypted_room": "我要离开了，因为我只能待在未加密的房间里。",
    "retired": "运营者已让我停止服务，我要离开了。再见！",
    "engine_down": "我现在连不上我的 AI 模型，请过几分钟再试。",
    "model_missing": "我没法回答：为我设定的 AI 模型不存在，需要运营者来处理。",
    "context_too_long": "这对我来说太长了，能说短一点吗？",
    "engine_timeout": "我花的时间太久，就停下来了。请再问我一次。",
    "engine_busy": "现在问我的人很多，没能轮到你。请过几分钟再试一次。",
    "engine_broken": "我回答到一半断掉了。请再问我一次。",
    "empty_reply": "我一时想不出该怎么回答，能换个说法吗？",
    "demo_topic": "这里的回答来自：{label}",
    "settings_are": "这里：`{setting}`",
    "setting_changed": "好了。现在：`{setting}`",
    "bad_setting": "`{word}` 不适用于 `{setting}`。可以用：{choices}",
    "opted_out": (
        "从现在起，AI 模型看不到你写的内容，这里也没有角色会主动跟你说话。你提问时，只读那"
        "一条消息。已清除：你的 {messages} 条消息和 {replies} 条回答（房间：{rooms}）。`"
        "{prefix} optout off` 可以撤销。"
    ),
    "opted_in": "从现在起，可以再读你写的内容。",
    "usage": (
        "过去 24 小时里你得到了 {own} 次回答[[（最多 {most} 次）]]，这个房间 {turns} 次："
        "读了 {prompt} 个 token，写了 {reply} 个。"
    ),
    "why_how": "用 `{prefix} why` 回复一条消息，我会说明它为什么被写出来，或为什么没有人回答。",
    "why_said": (
        "{why}（`{code}`）。角色：{name}。[[模型：{model}。]][[看到的消息数：{count}。]]"
        "[[\n\n用过的工具：\n\n{tools}]]"
    ),
    "why_silent": "没有人回答。{why}（`{code}`）。",
    "why_unknown": "我已经不认得那条消息了。",
    "help_of_who": "`{prefix} who` 列出这台服务器的 AI 角色。",
    "help_of_level": (
        "`{prefix} level` 显示我们在这里有多健谈。`{prefix} level balanced` 可以更改，`"
        "{prefix} level luna silent` 只改其中一个。级别：silent、reply-only、reserved、"
        "balanced、sociable、chatty。需要有更改房间状态的权限。"
    ),
    "help_of_settings": (
        "`{prefix} settings` 显示全部设置。`{prefix} settings share 30`、`quiet "
        "22:00-07:00`、`timezone Europe/Berlin`、`puppets luna`、`language zh`、`rules "
        "…`、`minors on`、`preset social` 可以更改。需要有更改房间状态的权限。"
    ),
    "help_of_stop": (
        "`{prefix} stop` 让我们都在这里安静一小时，`{prefix} stop luna` 只让其中一个安静。"
        "任何人都可以。"
    ),
    "help_of_continue": "`{prefix} continue` 结束安静。需要有更改房间状态的权限。",
    "help_of_why": "用 `{prefix} why` 回复一条消息：我会说明它为什么被写出来，或为什么没有人回答。",
    "help_of_privacy": "`{prefix} privacy` 说明会读取和保存什么，由谁负责。",
    "help_of_forget": "`{prefix} forget` 清除所有房间里保存的与你有关的内容，以及对你的回答。",
    "help_of_optout": (
        "`{prefix} optout` 从现在起不再使用你写的内容，并将其清除；`{prefix} optout off` 可以撤销。"
    ),
    "help_of_usage": "`{prefix} usage` 显示我们今天在这个房间写了多少。",
    "help_of_models": (
        "`{prefix} models` 显示配置的 AI 模型，以及哪些已经在了。供运营者的管理员在私聊中使用。"
    ),
    "help_of_pull": (
        "`{prefix} pull gemma3:4b` 把配置中的 AI 模型下载到它的 Ollama 服务器；后面写上地址可"
        "以指定服务器。供运营者的管理员在私聊中使用。"
    ),
    "for_admins": "`{word}` 只供运营者的管理员使用，并且要在与我们之一的私聊中。",
    "models_are": "✅ 已有 · 🔥 已载入 · ❌ 缺少 · ⚠️ 服务器没有回应\n\n{list}",
    "pull_bad_name": "`{word}` 不可能是模型的名字。这样的名字形如 `gemma3:4b`。",
    "pull_unknown": (
        "我只下载配置里写明的模型，而 `{word}` 不在其中。[[写明的有：{choices}。]]运营者可以"
        "把它写进去，例如作为 engine.model。"
    ),
    "pull_elsewhere": (
        "`{server}` 不是 Ollama 服务器，我没法在那里下载 `{model}`。请在那台服务器上自行载入。"
    ),
    "pull_running": "`{server}` 上已经在下载 `{model}`[[({percent} %)]]。",
    "pull_there": "`{server}` 上已经有 `{model}` 了。",
    "pull_began": "正在 `{server}` 上下载 `{model}`[[({size})]]。好了我会在这里说。",
    "pull_at": "`{model}`：已下载[[ {size} 的]] {percent} %。",
    "pull_done": "`{model}` 现在在 `{server}` 上了，用时 {time}。",
    "pull_no_model": (
        "没有叫 `{model}` 的模型可以下载：`{server}` 所用的模型库里没有它。请在配置里改正名字。"
    ),
    "pull_disk_full": (
        "`{model}` 放不下：`{server}` 的磁盘满了。请在那里腾出空间，之后 "
        "`{prefix} pull {model}` 会接着下载。"
    ),
    "pull_no_library": (
        "`{server}` 连不上模型库，没能下载 `{model}`。请检查那台机器的网络，之后 "
        "`{prefix} pull {model}` 会接着下载。"
    ),
    "pull_unreachable": (
        "`{server}` 没有回应，没能下载 `{model}`。请在那里启动 Ollama，或改正配置里的地址和密"
        "钥，然后 `{prefix} pull {model}`。"
    ),
    "pull_failed": (
        "没能在 `{server}` 上下载 `{model}`：`{problem}`。`{prefix} pull {model}` 会接着下载。"
    ),
    "missing_told": (
        "给身为运营者的你：`{server}` 上缺少 AI 模型 `{model}`，有人没能得到回答。"
        "[[`{prefix} pull {pull}` 可以下载它。]]"
    ),
    "no_model_told": (
        "给身为运营者的你：`{server}` 上没有能对话的 AI 模型，有人没能得到回答。请在配置里写"
        "明一个(engine.model)，然后用 `{prefix} pull` 加上名字来下载。"
    ),
    "nobody_left": "这里已经没有人了，我先离开。",
    "server_denied": "这个房间不让我的服务器参与，我先离开。",
    "care": (
        "谢谢你在这里说出来。我是 AI，没法像人那样帮助你，但你不必独自承受：请现在就跟一个"
        "你信任的人、求助热线或附近的医生谈谈。[[{words}]]"
    ),
}
