"""Japanese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "disclosure": (
        "こんにちは、{name}です。{operator}が運営するAIキャラクターです。"
        "ここの発言を読んで、話しかけられたときに答えます。"
        "会話についていくため、メッセージは最長{days}保存されます。"
        "「{name}、ストップ」と言うか、私のメッセージに🛑を付けると静かにします。"
        "詳しくは `{prefix} help` をどうぞ。"
    ),
    "disclosure_more": (
        "{name}です。同じ運営者のAIキャラクターで、先ほどの説明は私にも当てはまります。"
    ),
    "dm_ended": (
        "ここは二人だけの部屋ではなくなったので、これからは呼ばれたときだけ答えます。"
        "「{name}」で書き始めるか、メンションか返信をしてください。"
    ),
    "help": (
        "AIの{name}です。私の名前で書き始めるか、メンションか返信をしてくれれば答えます。"
        "「{name}、ストップ」と言うか、私のメッセージに🛑を付けると、1時間静かにします。"
        "何を読み、何を保存するかは `{prefix} privacy` で確認でき、"
        "`{prefix} forget` であなたについて保存されたものを消せます。"
        "不要になったら、ルームから外してください。"
        "ほかのコマンド：who、level、settings、stop、continue、why、optout、usage。"
        "`{prefix} help level` で説明を読めます。"
    ),
    "privacy": (
        "ここのAIキャラクターは{operator}が運営していて、参加しているルームのメッセージを読みます。"
        "メッセージは運営者のサーバーに最長{days}保存され、"
        "返事をするときに最近のものが運営者のAIモデルに渡されます。"
        "このプログラムがそれをモデルの学習に使うことはありません。"
        "メッセージを削除すると、そこからも削除されます。"
        "`{prefix} forget` は、あなたが書いたものとそれへの返事を消します。"
        "ルームのメンバーが誰かは残ります。[[お問い合わせ：{contact}]]"
    ),
    "forgotten": (
        "保存されていたものから消しました：あなたのメッセージ{messages}件、それへの返事{replies}件"
        "（ルーム{rooms}件）。ルームに残っている発言は、ご自身で削除してください。"
        "AIキャラクターがいる間、ルームのメンバーが誰かは残ります。"
    ),
    "bridge_greeting": (
        "こんにちは！{operator}のAIキャラクターの案内役です。私もプログラムです。"
        "ここにいるのは次のキャラクターです。\n\n{list}\n\n"
        "ルームに招待するか、直接メッセージを送ってください。ヘルプは `help`、"
        "ルームの中では `{prefix} help` です。"
    ),
    "bridge_help": (
        "AIキャラクターをルームに招待するか、直接メッセージを送ってください。ルームでは、"
        "名前で書き始めるか、メンションか返信をすると答えます。\n\n{list}"
    ),
    "unknown_command": (
        "`{word}` というコマンドはわかりません。[[`{prefix} {suggestion}` のことですか？]]"
        "できることは `{prefix} help` で見られます。"
    ),
    "invite_denied": "すみません、{operator}の設定により、この招待はお受けできません。",
    "invite_too_many": "すみません、今日は招待が多すぎました。明日もう一度お試しください。",
    "rooms_full": "すみません、今は参加できるルームの数がいっぱいです。",
    "too_many_members": "すみません、メンバーが{limit}人を超えるルームには参加しません。",
    "no_spaces": (
        "すみません、参加できるのはルームだけで、スペースには参加しません。"
        "ルームに招待してください。"
    ),
    "encrypted_invite": (
        "すみません、暗号化されたルームにはまだ参加できません。"
        "暗号化されていないルームに招待してください。"
    ),
    "encrypted_room": "暗号化されていないルームにしか参加できないため、退出します。",
    "retired": "運営者により提供が終了したため、退出します。さようなら！",
    "engine_down": "今、AIモデルにつながりません。数分後にもう一度お試しください。",
    "model_missing": (
        "お答えできません。使うはずのAIモデルが見つからないので、運営者の対応が必要です。"
    ),
    "context_too_long": "私には長すぎました。もう少し短くしてもらえますか？",
    "engine_timeout": "時間がかかりすぎたので、途中でやめました。もう一度聞いてください。",
    "engine_busy": "いま質問が多くて、順番が回ってきませんでした。数分後にもう一度お試しください。",
    "engine_broken": "答えている途中で途切れてしまいました。もう一度聞いてください。",
    "empty_reply": "うまく言葉が見つかりませんでした。別の言い方で聞いてもらえますか？",
    "demo_topic": "ここの返事を作っているもの：{label}",
    "settings_are": "ここでは：`{setting}`",
    "setting_changed": "変更しました。今は：`{setting}`",
    "bad_setting": "`{word}` は `{setting}` に使えません。使えるもの：{choices}",
    "opted_out": (
        "これからは、あなたの発言は AI モデルに見せません。こちらから話しかけることもありま"
        "せん。質問されたときは、そのメッセージだけを読みます。消去：あなたのメッセージ "
        "{messages} 件と返答 {replies} 件（ルーム：{rooms}）。`{prefix} optout off` で元に"
        "戻せます。"
    ),
    "opted_in": "これからは、あなたの発言をまた読めるようにします。",
    "usage": (
        "この24時間で、あなたへの返答は {own} 回[[（上限 {most} 回）]]、このルームでは "
        "{turns} 回：読んだトークン {prompt}、書いたトークン {reply}。"
    ),
    "why_how": (
        "メッセージに `{prefix} why` と返信すると、なぜ書かれたか、なぜ誰も答えなかったかを"
        "説明します。"
    ),
    "why_said": (
        "{why}（`{code}`）。キャラクター：{name}。[[モデル：{model}。]][[見たメッセージ："
        "{count} 件。]][[\n\n使ったツール：\n\n{tools}]]"
    ),
    "why_silent": "誰も答えませんでした。{why}（`{code}`）。",
    "why_unknown": "そのメッセージはもう分かりません。",
    "help_of_who": "`{prefix} who` はこのサーバーの AI キャラクターを一覧にします。",
    "help_of_level": (
        "`{prefix} level` はここでどのくらい話すかを示します。`{prefix} level balanced` で"
        "変更、`{prefix} level luna silent` で一人だけ変更。レベル：silent、reply-only、"
        "reserved、balanced、sociable、chatty。ルームの状態を変える権限が必要です。"
    ),
    "help_of_settings": (
        "`{prefix} settings` はすべてを表示します。`{prefix} settings share 30`、`quiet "
        "22:00-07:00`、`timezone Europe/Berlin`、`puppets luna`、`language ja`、`rules "
        "…`、`minors on`、`preset social` で変更します。ルームの状態を変える権限が必要です。"
    ),
    "help_of_stop": (
        "`{prefix} stop` で全員が一時間静かになります。`{prefix} stop luna` なら一人だけ。"
        "誰でも使えます。"
    ),
    "help_of_continue": (
        "`{prefix} continue` で静かな時間を終えます。ルームの状態を変える権限が必要です。"
    ),
    "help_of_why": (
        "メッセージに `{prefix} why` と返信してください。なぜ書かれたか、なぜ誰も答えなかっ"
        "たかを説明します。"
    ),
    "help_of_privacy": "`{prefix} privacy` は、何を誰が読み、保存するかを説明します。",
    "help_of_forget": (
        "`{prefix} forget` は、すべてのルームに保存されたあなたの発言と、それへの返答を消します。"
    ),
    "help_of_optout": (
        "`{prefix} optout` は、これからあなたの発言を使わず、保存分も消します。`{prefix} "
        "optout off` で元に戻せます。"
    ),
    "help_of_usage": "`{prefix} usage` は、今日このルームでどれだけ書いたかを示します。",
    "help_of_models": (
        "`{prefix} models` は、設定されたAIモデルと、そのどれがあるかを示します。運営者の管理"
        "者用で、個人チャットでだけ使えます。"
    ),
    "help_of_pull": (
        "`{prefix} pull gemma3:4b` は、設定されたAIモデルをそのOllamaサーバーに取り寄せます。"
        "後ろにアドレスを書くとサーバーを選べます。運営者の管理者用で、個人チャットでだけ使え"
        "ます。"
    ),
    "for_admins": "`{word}` は運営者の管理者だけが、私たちとの個人チャットで使えます。",
    "models_are": "✅ あり · 🔥 読み込み済み · ❌ なし · ⚠️ サーバーの応答なし\n\n{list}",
    "pull_bad_name": "`{word}` はモデルの名前になりません。名前は `gemma3:4b` のような形です。",
    "pull_unknown": (
        "設定に書かれたモデルだけを取り寄せますが、`{word}` はそこにありません。[[書かれてい"
        "るのは {choices} です。]]運営者が engine.model などに書けば使えます。"
    ),
    "pull_elsewhere": (
        "`{server}` はOllamaサーバーではないので、`{model}` を取り寄せられません。そのサーバ"
        "ーで読み込んでください。"
    ),
    "pull_running": "`{model}` は `{server}` でもう取り寄せています[[({percent} %)]]。",
    "pull_there": "`{model}` はもう `{server}` にあります。",
    "pull_began": (
        "`{model}` を `{server}` に取り寄せています[[({size})]]。届いたらここで知らせます。"
    ),
    "pull_at": "`{model}`：[[{size} の]] {percent} % まで届きました。",
    "pull_done": "`{model}` が `{server}` に届きました。かかった時間：{time}。",
    "pull_no_model": (
        "`{model}` というモデルはありません。`{server}` の使うライブラリーに見つかりませんで"
        "した。設定の名前を直してください。"
    ),
    "pull_disk_full": (
        "`{model}` が入りません。`{server}` のディスクがいっぱいです。空きを作ってから "
        "`{prefix} pull {model}` とすると続きから始まります。"
    ),
    "pull_no_library": (
        "`{server}` がモデルのライブラリーに届かず、`{model}` を取り寄せられませんでした。そ"
        "のマシンのネットワークを確かめてから `{prefix} pull {model}` とすると続きから始まり"
        "ます。"
    ),
    "pull_unreachable": (
        "`{server}` が応答せず、`{model}` を取り寄せられませんでした。Ollamaを起動するか、設"
        "定のアドレスとキーを直してから `{prefix} pull {model}` としてください。"
    ),
    "pull_failed": (
        "`{server}` に `{model}` を取り寄せられませんでした：`{problem}`。"
        "`{prefix} pull {model}` で続きから始まります。"
    ),
    "missing_told": (
        "運営者のあなたへ：AIモデル `{model}` が `{server}` にないため、答えられなかった人が"
        "います。[[`{prefix} pull {pull}` で取り寄せます。]]"
    ),
    "no_model_told": (
        "運営者のあなたへ：`{server}` に会話のできるAIモデルがないため、答えられなかった人が"
        "います。設定の engine.model に書いてください。その後、名前を付けた `{prefix} pull` "
        "で取り寄せます。"
    ),
    "nobody_left": "もう誰もいないので退出します。",
    "server_denied": "このルームは私のサーバーの参加を認めていないので退出します。",
    "care": (
        "ここに書いてくれてよかったです。私は AI なので、人のようには助けられません。でも一"
        "人で抱えなくていいのです。できれば今、信頼できる人や、近くの相談窓口、医師に話して"
        "ください。[[{words}]]"
    ),
}
