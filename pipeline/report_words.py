"""Words of the monthly report, in English and Chinese."""

from __future__ import annotations

from pipeline.answers import Language, word

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
#: English and Chinese of what the report says; a name in braces is filled in
SENTENCES: dict[str, tuple[str, str]] = {
    "co2": ("carbon dioxide", "二氧化碳"),
    "ch4": ("methane", "甲烷"),
    "co": ("carbon monoxide", "一氧化碳"),
    "title": ("Fluxes of {gas}, {region}, {month}", "{region}{gas}通量月报 · {month}"),
    "subtitle": (
        "Emission and uptake from measurements in the air: hourly maps of {cells} cells of {side} km",
        "由大气观测反演的排放与吸收：逐时，{cells} 个网格，边长 {side} 公里",
    ),
    "partial": (
        "Part of the month: {hours} of {all} hours have numbers ({first} to {last} UTC). Totals are sums of these "
        "hours; they are not those of the month.",
        "本月数据不完整：{all} 小时中 {hours} 小时有结果（{first} 至 {last}，UTC）。总量只含这些小时，不代表全月。",
    ),
    "whole": ("All {all} hours of the month have numbers.", "本月 {all} 小时均有结果。"),
    "card": ("prior {prior} · told by data {share}", "先验 {prior} · 观测贡献 {share}"),
    "lead": (
        "Prior: what inventories and models say. Posterior: the same, corrected by what was measured. "
        "Positive is emission, negative is uptake; ± is one standard deviation.",
        "先验：清单与模型的估计。后验：经大气观测订正后的估计。正值为排放，负值为吸收；± 为一倍标准差。",
    ),
    "totals": ("Totals", "总量"),
    "maps": ("Maps", "分布图"),
    "days": ("Daily totals, {region}, net", "逐日净通量：{region}"),
    "level_province": ("Provinces", "各省"),
    "level_city": ("Cities", "各市"),
    "level_county": ("Counties", "各县（市、区）"),
    "level_file": ("Regions of files", "自定义区域"),
    "level_box": ("Boxes", "矩形区域"),
    "regions": ("{count} regions", "共 {count} 个区域"),
    "coverage": ("Hours and observations", "时段与观测"),
    "caveats": ("How to read the numbers", "使用须知"),
    "provenance": ("Version and origin", "版本与来源"),
    "unit": ("{unit} {gas}, sum of the hours with numbers", "单位：{unit} {gas}，为有结果各小时之和"),
    "t": ("t", "吨"),
    "kt": ("kt", "千吨"),
    "region": ("region", "区域"),
    "sector": ("sector", "部门"),
    "emission": ("emission", "排放"),
    "uptake": ("uptake", "吸收"),
    "posterior": ("posterior", "后验"),
    "prior": ("prior", "先验"),
    "change": ("change", "变化"),
    "share": ("told by data", "观测贡献"),
    "net_posterior": ("net, posterior", "净通量（后验）"),
    "net_prior": ("net, prior", "净通量（先验）"),
    "map_net": ("Net flux, posterior, mean", "净通量，后验，平均"),
    "map_change": ("Change: posterior less prior, net, mean", "变化：后验减先验，净通量，平均"),
    "map_sigma": ("Sigma of the mean net flux of a cell", "网格平均净通量的一倍标准差"),
    "map_sector": ("{sector}, posterior, mean", "{sector}，后验，平均"),
    "no_sigma_map": (
        "The map of sigma is not drawn: so many hours and cells need more memory than one question may take.",
        "标准差分布图未绘制：小时数与网格数超出单次计算上限。",
    ),
    "legend_posterior": ("posterior, with one sigma", "后验及一倍标准差"),
    "legend_prior": ("prior", "先验"),
    "legend_partial": ("day with hours missing", "缺小时的日"),
    "of_month": ("hours of the month", "本月小时数"),
    "with_numbers": ("hours with numbers", "有结果小时数"),
    "without": ("hours missing", "缺失小时数"),
    "by_status": ("by status", "按版本级别"),
    "by_condition": ("by condition", "按状态"),
    "used": ("observations used, whole grid", "采用观测数（全网格）"),
    "revision": ("highest revision of an hour", "最高修订号"),
    "P0": ("P0 prior only", "P0 仅先验"),
    "P1": ("P1 preliminary", "P1 初步"),
    "P2": ("P2 with its full window", "P2 窗口完整"),
    "P3": ("P3 consolidated", "P3 定稿"),
    "run": ("one finished run", "单次运算"),
    "full": ("full", "完整"),
    "degraded": ("degraded", "降级"),
    "prior_only": ("prior only", "仅先验"),
    "missing": ("missing", "缺失"),
    "strip": ("Every hour of the month: days across, hours of the day down (UTC)", "本月逐时：横为日，纵为时（UTC）"),
    "case": ("case", "案例"),
    "store": ("store", "数据库"),
    "version": ("version", "版本号"),
    "commit": ("commit", "提交序号"),
    "at": ("newest hour written", "最近写入时间"),
    "code": ("hours made by", "计算程序"),
    "by": ("report made by", "报告程序"),
    "again": ("the same numbers again", "复现本表"),
    "c_sigma": (
        "± is one standard deviation, given the errors that the case states for inventories, models, transport and "
        "instruments. Errors that are not stated there are not in it.",
        "± 为一倍标准差，以案例中列明的清单、模型、传输与仪器误差为前提；未列明的误差不在其内。",
    ),
    "c_exact": (
        "Standard deviations of totals are exact under these errors.",
        "在上述误差前提下，总量的标准差是精确的。",
    ),
    "c_upper": (
        "±≤ marks an upper estimate: what is left of the errors is taken to be as correlated between hours as those of "
        "the prior were.",
        "±≤ 为上界估计：剩余误差在小时之间按先验误差的相关性计算。",
    ),
    "c_share": (
        "Told by data is the share of the prior's variance that measurements took away: 0 % is the prior itself.",
        "观测贡献为观测所消除的先验方差比例：0% 即先验本身。",
    ),
    "c_neighbours": (
        "Errors of neighbouring regions, and of days, are correlated. The standard deviation of a sum is not the root "
        "of the squares of its parts': take that of the larger region.",
        "相邻区域之间、各日之间的误差相关，合计的标准差不等于各部分平方和的平方根，应取上级区域自身的标准差。",
    ),
    "c_sectors": (
        "Measurements of one gas see the sum of all sectors: net is known better than its split into sectors.",
        "单一气体的观测反映各部门之和：净通量比其部门拆分更可靠。",
    ),
    "c_gross": (
        "Emission sums cells and sectors with a flux upward, uptake those with one downward. Both grow with the "
        "noise of cells, net does not; they have no standard deviation of their own.",
        "排放为各部门向上网格之和，吸收为向下网格之和。二者随网格噪声增大，净通量不受影响；二者未给出标准差。",
    ),
    "c_missing": (
        "{missing} hours have no numbers. They are not counted and not guessed.",
        "{missing} 小时无结果，未计入，也未作填补。",
    ),
    "c_degraded": (
        "{degraded} of the hours are degraded or prior only: data were missing, or nothing was measured and the "
        "posterior is the prior.",
        "其中 {degraded} 小时为降级或仅先验：资料不全，或没有观测，此时后验即先验。",
    ),
    "c_outside": (
        "Only what lies inside the grid is counted; of a region that reaches beyond it, the part inside.",
        "只计网格之内；区域超出网格的部分未计入。",
    ),
    "c_linearised": (
        "A sector is log-normal: totals are those of the published fields, standard deviations of the linear solution.",
        "有对数正态部门：总量取自发布的场，标准差取自线性解。",
    ),
    "c_maps": (
        "Standard deviations of cells are upper estimates; for net, sectors are taken as independent. Numbers of a "
        "single cell are less sure than those of a region.",
        "网格标准差为上界估计，净通量按部门独立合成。单个网格的数值不如区域总量可靠。",
    ),
    "c_utc": (
        "Months, days and hours are UTC: in Beijing the month begins at 08:00.",
        "月、日、时均为 UTC：本月自北京时间 1 日 08:00 起。",
    ),
}


class Words:
    """What the report says in one language.

    Parameters
    ----------
    language
        "en" or "zh".
    """

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        """Return a sentence, filled in; a word that has none, as it is."""
        if key not in SENTENCES:
            return key
        return SENTENCES[key][self.language == "zh"].format(**values)

    def sector(self, name: str) -> str:
        """Return what a sector is called."""
        return word(name, self.language)

    def month(self, text: str) -> str:
        """Return what a month is called.

        Examples
        --------
        >>> Words("en").month("2024-07"), Words("zh").month("2024-07")
        ('July 2024', '2024年7月')
        """
        year, number = text.split("-")
        return f"{_MONTHS[int(number) - 1]} {year}" if self.language == "en" else f"{year}年{int(number)}月"

    def region(self, chinese: str, english: str) -> str:
        """Return what a region is called; an English name may be missing."""
        return (english if self.language == "en" else chinese) or chinese
