"""Every word of the console in English and Chinese, and which of the two a visitor reads.

The terms are fixed: one thing has one name on every page.
"""

from __future__ import annotations

from typing import Literal, get_args

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
HTML_LANG: dict[Language, str] = {"en": "en", "zh": "zh-CN"}

_WORDS: dict[str, tuple[str, str]] = {
    # frame
    "title": ("Stores", "门店"),
    "skip": ("Skip to content", "跳到正文"),
    "all_stores": ("All stores", "全部门店"),
    "language": ("Language", "语言"),
    "no_answer": ("Headquarters has not answered since", "总部服务无响应，自"),
    "no_answer_safe": ("What you see is from then.", "以下为当时的数据。"),
    "as_of": ("As of {time} UTC; refreshes every 5 s.", "数据时间 {time} UTC，每 5 秒刷新。"),
    # states
    "online": ("online", "在线"),
    "late": ("late", "延迟"),
    "lost": ("lost", "失联"),
    "never": ("never seen", "未接入"),
    "device.up": ("up", "正常"),
    "device.down": ("down", "故障"),
    "device.silent": ("silent", "无数据"),
    # the sentence at the top
    "stores_online": ("{online} of {all} stores online", "{all} 家门店中 {online} 家在线"),
    "n_late": ("{count} late", "{count} 家延迟"),
    "n_lost": ("{count} lost since {time}", "{count} 家失联（自 {time} 起）"),
    "n_never": ("{count} never seen", "{count} 家未接入"),
    "between": ("; ", "；"),
    "comma": (", ", "，"),
    "stop": (".", "。"),
    "no_stores": ("No stores yet.", "还没有门店。"),
    "no_stores_do": (
        "Add the first one at headquarters; the command makes its keys and its configuration:",
        "请在总部添加第一家门店，该命令会生成门店的密钥和配置：",
    ),
    "example_name": ("Riverside", "滨江店"),
    "example_zone": ("Europe/London", "Asia/Shanghai"),
    "store_online": ("{store} is online", "{store} 在线"),
    "store_late": ("{store} is late, last heard {age} ago", "{store} 延迟，上次心跳在 {age}前"),
    "store_lost": ("{store} is lost since {time}", "{store} 自 {time} 起失联"),
    "store_never": ("{store} was never seen", "{store} 从未接入"),
    "store_never_do": (
        "Install its bundle on the store’s mini-PC and start the agent; the first heartbeat changes the state.",
        "请在门店主机上安装生成的配置包并启动 agent；收到第一次心跳后状态会更新。",
    ),
    "all_stored": ("all {count} accepted records are stored", "已接收的 {count} 条记录全部入库"),
    "waiting": ("{count} records wait in the store", "{count} 条记录在门店待上传"),
    "one_waits": ("{count} record waits in the store", "{count} 条记录在门店待上传"),
    "missing_of": ("{count} of {all} accepted records are missing", "已接收的 {all} 条记录中缺失 {count} 条"),
    "no_records_yet": ("no records yet", "暂无记录"),
    # board
    "store": ("Store", "门店"),
    "state": ("State", "状态"),
    "backlog": ("Backlog, records", "积压（条）"),
    "oldest": ("oldest unsent {age}", "最早未上传 {age}前"),
    "sales_today": ("Sales today", "今日销售额"),
    "tickets": ("Tickets", "销售笔数"),
    "footfall": ("Footfall", "客流"),
    "quarantined": ("Quarantined", "隔离区"),
    "filter": ("Show", "显示"),
    "every_state": ("all", "全部"),
    "none_in_state": ("No store in this state.", "没有处于该状态的门店。"),
    "until": ("until {time}", "截至 {time}"),
    "without_total": ("{count} without a total", "{count} 笔无金额"),
    "what_numbers": (
        "What the numbers mean",
        "指标说明",
    ),
    "define_sales": (
        "Totals of the business day’s sales, tax included, less returns. Tickets are sales alone.",
        "当前营业日的含税销售合计，已减去退货；销售笔数不含退货。",
    ),
    "define_footfall": (
        "People counted inwards by door counters since the store’s day began.",
        "自门店当日开始，客流计数器统计的进店人数。",
    ),
    "define_backlog": (
        "Records that the store has accepted and headquarters has not yet confirmed, at the last heartbeat.",
        "截至上次心跳，门店已接收、尚未收到总部回执的记录。",
    ),
    "define_quarantine": (
        "Readings of today that were set aside with their reason.",
        "今日未通过校验、连同原因一起保存的读数。",
    ),
    "define_unknown": (
        "– means that nothing is known, not zero. Repeats of one event are never counted.",
        "“–”表示没有数据，并非零；同一事件的重复记录不计入。",
    ),
    # store page
    "today": ("Today", "今日"),
    "records": ("Records", "数据完整性"),
    "lane": ("Lane", "通道"),
    "vital": ("vital", "关键"),
    "normal": ("normal", "普通"),
    "bulk": ("bulk", "批量"),
    "accepted": ("Accepted", "已接收"),
    "stored": ("Stored", "已入库"),
    "on_the_way": ("On the way", "待上传"),
    "missing": ("Missing", "缺失"),
    "none": ("none", "无"),
    "devices": ("Devices", "设备"),
    "device": ("Device", "设备"),
    "driver": ("Driver", "驱动"),
    "last_reading": ("Last reading", "最近读数"),
    "readings_today": ("Readings today", "今日读数"),
    "reason": ("Reason", "原因"),
    "told": ("as told {age} ago", "{age}前上报"),
    "no_devices": (
        "The store has not told about its devices yet; it does with its next full heartbeat, within 15 minutes.",
        "门店尚未上报设备；最多 15 分钟内随下一次完整心跳上报。",
    ),
    "heartbeat": ("Heartbeat", "心跳"),
    "box": ("Box", "主机"),
    "version": ("Version", "版本"),
    "boxes": ("Mini-PCs", "门店主机"),
    "clock": ("Clock", "时钟"),
    "clock_right": ("right", "准确"),
    "clock_fast": ("{age} fast", "快 {age}"),
    "clock_slow": ("{age} slow", "慢 {age}"),
    "ago": ("{age} ago", "{age}前"),
    # last records
    "last_records": ("Last records", "最近记录"),
    "type": ("Type", "类型"),
    "store_time": ("Store time", "门店时间"),
    "what": ("What", "内容"),
    "no_records": (
        "No records in the last 24 hours. They appear here seconds after a device of a store says something.",
        "最近 24 小时没有记录。门店设备产生数据后，数秒内会显示在这里。",
    ),
    # ages
    "age_s": ("{n} s", "{n} 秒"),
    "age_min": ("{n} min", "{n} 分钟"),
    "age_h": ("{n} h", "{n} 小时"),
    "age_h_min": ("{n} h {m} min", "{n} 小时 {m} 分钟"),
    "age_d": ("{n} d", "{n} 天"),
    # errors
    "error_title": ("Something is wrong", "出现问题"),
    "no_such_store": ("There is no store {store}.", "没有门店 {store}。"),
    "no_such_store_do": (
        "Look for it among all stores, or add it at headquarters:",
        "请在全部门店中查找，或在总部添加：",
    ),
    "no_such_page": ("There is no such page.", "没有这个页面。"),
    "try_again": ("Try again", "重试"),
    "database_down": ("The database is not available.", "数据库暂不可用。"),
    "database_down_safe": (
        "No record is lost: stores keep what has no receipt and send it again.",
        "数据不会丢失：门店会保留未收到回执的记录并重新上传。",
    ),
    "database_down_do": (
        "See that the database runs and edge-hq migrate was run; its log says more. This page tries again by itself.",
        "请确认数据库正在运行、已执行 edge-hq migrate，并查看其日志。本页会自动重试。",
    ),
    # record types
    "pos.sale": ("sale", "销售"),
    "pos.return": ("return", "退货"),
    "pos.void": ("voided sale", "作废交易"),
    "pos.control": ("till event", "收银机操作"),
    "pos.receipt": ("printed receipt", "打印小票"),
    "cash.event": ("cash", "现金"),
    "scan": ("scan", "扫码"),
    "payment.code": ("payment code", "付款码"),
    "door.count": ("footfall", "客流"),
    "zone.occupancy": ("occupancy", "区域人数"),
    "zone.dwell": ("dwell time", "停留时长"),
    "zone.queue": ("queue", "排队"),
    "zone.heatmap": ("heat map", "热力图"),
    "zone.path": ("way through the store", "动线"),
    "car.count": ("car flow", "车流"),
    "camera.health": ("camera", "摄像头"),
    "count.audit": ("count by hand", "人工核数"),
    "camera.still": ("blurred picture", "模糊画面"),
    "temp.check": ("temperature check", "体温检测"),
    "temp.ambient": ("temperature", "温度"),
    "weight": ("weight", "称重"),
    "punch": ("attendance punch", "考勤打卡"),
    "wifi.presence": ("Wi-Fi presence", "Wi-Fi 探测"),
    "energy": ("energy", "用电"),
    "power": ("power", "供电"),
    "check.done": ("inspection", "巡检"),
    "supply.count": ("supplies", "物料"),
    "device.health": ("device state", "设备状态"),
    "quarantine": ("quarantine", "隔离区"),
    "loss": ("loss", "丢失"),
    "stream.open": ("buffer opened", "缓存启用"),
    "alert": ("alert", "告警"),
    "audit": ("audit trail", "审计日志"),
    "clock.step": ("clock step", "时钟跳变"),
    # what a record says
    "lines": ("{count} lines", "{count} 行"),
    "one_line": ("1 line", "1 行"),
    "in_out": ("{in_} in, {out} out", "进 {in_}，出 {out}"),
    "by_hand": ("by hand {counts}", "人工：{counts}"),
    "by_camera": ("by camera {counts}", "摄像头：{counts}"),
    "people": ("{count} people", "{count} 人"),
    "one_person": ("1 person", "1 人"),
    "waiting_people": ("{count} waiting", "{count} 人排队"),
    "code_not_kept": ("{scheme}, the code itself is not kept", "{scheme}，码本身不保存"),
    "charge": ("charge {pct} %", "电量 {pct} %"),
    "on_battery": ("on battery", "电池供电"),
    "on_mains": ("on mains", "市电供电"),
    "records_lost": ("{count} records, {reason}", "{count} 条记录，{reason}"),
    "stepped": ("from {before} to {after}", "由 {before} 变为 {after}"),
    "verdict.normal": ("normal", "正常"),
    "verdict.suspect": ("suspect, retest", "疑似，需复测"),
    "verdict.confirmed": ("confirmed", "确认异常"),
    "verdict.resolved": ("resolved", "已恢复"),
    "verdict.invalid": ("invalid", "无效"),
    "loss.evicted": ("evicted for space", "因空间不足清除"),
    "loss.refused": ("refused, no space", "空间不足，未接收"),
    "loss.damaged": ("damaged", "已损坏"),
    "camera.ok": ("ok", "正常"),
    "camera.black": ("black", "黑屏"),
    "camera.covered": ("covered", "被遮挡"),
    "camera.defocused": ("defocused", "失焦"),
    "camera.moved": ("moved", "被移动"),
    "camera.frozen": ("frozen", "画面冻结"),
    "camera.offline": ("offline", "离线"),
    "direction.in": ("in", "上班"),
    "direction.out": ("out", "下班"),
    "direction.unknown": ("direction unknown", "方向未知"),
    "cash.drawer-open": ("drawer opened", "开钱箱"),
    "cash.pay-in": ("pay-in", "存入"),
    "cash.pay-out": ("pay-out", "支出"),
    "cash.count": ("count", "清点"),
    "cash.z-report": ("Z report", "日结报表"),
    "control.sign-on": ("sign-on", "登录"),
    "control.sign-off": ("sign-off", "退出"),
    "control.no-sale": ("no sale", "非销售开箱"),
    "control.open": ("opened", "开机"),
    "control.close": ("closed", "关机"),
    "role.sale": ("sale", "销售"),
    "role.receiving": ("receiving", "收货"),
    "role.count": ("count", "盘点"),
    "role.waste": ("waste", "报损"),
    "role.transfer": ("transfer", "调拨"),
    "role.checklist": ("checklist", "巡检"),
    "tender.cash": ("cash", "现金"),
    "tender.card": ("card", "银行卡"),
    "tender.wechat": ("WeChat Pay", "微信支付"),
    "tender.alipay": ("Alipay", "支付宝"),
    "tender.unionpay": ("UnionPay", "银联"),
    "tender.voucher": ("voucher", "代金券"),
    "link.no-receipts": (
        "Nothing that {box} sends is receipted. Look at ingest and its database, then at the broker.",
        "{box} 发送的数据没有收到任何回执。请检查入库进程及其数据库，再检查消息服务器。",
    ),
    "link.late-receipts": (
        "Some batches of {box} wait long for their receipts. See whether the broker's stream is full or the line slow.",
        "{box} 的部分批次迟迟没有回执。请检查消息服务器的存储是否已满、线路是否过慢。",
    ),
    "link.sessions-break": (
        "The connection of {box} breaks whenever it sends. Look at the broker's size limit and permissions.",
        "{box} 一发送数据连接就中断。请检查消息服务器的大小限制和权限。",
    ),
    "link.too-large": (
        "The broker takes no batch of {box} beyond {most} bytes; larger ones stay in the store. Raise its limit.",
        "消息服务器不接收 {box} 超过 {most} 字节的批次，这些批次留在门店。请提高其大小限制。",
    ),
    "notice.fork": (
        "A disk image of {subject} went two ways. Both are stored; the box was told to begin anew.",
        "{subject} 的磁盘映像分成了两路：两路数据均已入库，已通知主机重新开始。",
    ),
    "notice.two-boxes": (
        "Two mini-PCs speak as {subject}. Take one off, or add it under a name of its own.",
        "有两台主机以 {subject} 的身份上报。请停用其中一台，或以新名称登记。",
    ),
    "notice.old-image": (
        "An older image of {subject} speaks again: it was restored, or a second mini-PC runs.",
        "{subject} 的旧映像再次上报：映像被恢复，或有第二台主机在运行。",
    ),
    "notice.re-imaged": (
        "{subject} began with an empty buffer. What it had not sent before is listed as missing.",
        "{subject} 以空缓冲区重新开始；此前未上传的数据列为缺失。",
    ),
    "stream.new": ("new", "新建"),
    "stream.salvaged": ("salvaged", "修复"),
    "stream.restored": ("restored", "恢复"),
    "stream.forked": ("forked", "分叉"),
    "stream.re-imaged": ("re-imaged", "重装"),
}


class Words:
    """The console's words in one language: `words("late")`, `words("n_late", count="3")`."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._place = LANGUAGES.index(language)

    def __call__(self, key: str, **values: str) -> str:
        """The word or sentence of `key`. Raises KeyError for one that does not exist."""
        return _WORDS[key][self._place].format(**values)

    def named(self, group: str, name: str, **values: str) -> str:
        """The word of a name that a device or till chose, and the name itself where we have no word for it."""
        key = f"{group}.{name}"
        return self(key, **values) if key in _WORDS else name


def keys() -> dict[str, tuple[str, str]]:
    """Every key with its English and its Chinese."""
    return dict(_WORDS)


def choose(asked: str | None, cookie: str | None, accepted: str) -> Language:
    """What the address asks for, else what was chosen before, else what the browser accepts, else English."""
    for wish in (asked, cookie):
        for language in LANGUAGES:
            if wish == language:
                return language
    return _preferred(accepted)


def _preferred(accepted: str) -> Language:
    """The first of our languages by weight in an Accept-Language header (RFC 9110, 12.5.4)."""
    weighed: list[tuple[float, Language]] = []
    for part in accepted.split(","):
        tag, _, parameters = part.strip().partition(";")
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language:
                weighed.append((_weight(parameters), language))
    best = max(weighed, key=lambda pair: pair[0], default=(0.0, LANGUAGES[0]))
    return best[1] if best[0] > 0 else LANGUAGES[0]


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
