"""What each piece is, in words without numbers: a heading, what it shows, and how far that reaches."""

ABOUT: dict[str, tuple[str, str]] = {
    "weeks": (
        "Simulated weeks",
        "Weeks of the simulated province as files in the real formats, through the whole pipeline, against the truth "
        "they were made from. The errors of prior, background and instruments are *not* drawn from the covariance that "
        "the inversion assumes (except in the week with matched errors). The draws were not looked at while errors "
        "were settled. All are over one geography and one weather: a draw is another error of prior and instruments, "
        "not another week of weather, and one network's figure beside another's is one draw's. The cities of a draw "
        "err together.",
    ),
    "coverage": (
        "Coverage",
        "How often the truth lies within the stated interval, at every level and not 90 % alone, over draws of four "
        "kinds. With matched errors the curve must follow the diagonal within chance; elsewhere it says how far "
        "stated errors are from right ones. The grey bands are what chance allows if every sigma *and* every stated "
        "correlation between regions is right (the regions of one draw err together, so a binomial band would be too "
        "narrow). The rank histogram counts in which tenth of its stated distribution each truth lies: a hump means "
        "sigma stated too large, a bowl too small, a slope a bias.",
    ),
    "information": (
        "Which sensor buys what",
        "Degrees of freedom for signal: how many independent numbers about the fluxes the observations of each class "
        "tell, tr(H Q H^T K^-1) by rows; they add up to the run's `dofs_flux`. What neighbours tell too is shared "
        "among them, so the second question is asked as well: what is lost when a class is left out, and what it tells "
        "alone; exact, from the same matrix, without another run. A degree of freedom may be of a few cells about a "
        "tower: what a class does for the totals of cities is the second table. All of it holds for stated errors: it "
        "is of sigma, not of errors.",
    ),
    "growth": (
        "How the answer grows with data",
        "City totals against days of data and against stations. Sigma is exact for every part of the observations; "
        "the errors are those of a few draws, which share geography and weather. Everything is said of the same "
        "week: of the days that were observed so far, and of the whole week.",
    ),
    "parity": (
        "Beside other transport models",
        "Footprints beside the STILT executable's, parcels beside MPTRAC's, on the same weather files. The page with "
        "all figures is [parity](../parity.md).",
    ),
    "tacolneston": (
        "CO2 at Tacolneston, real data",
        "One tower, four days, another model's footprints. How to read it: [cases](../cases.md).",
    ),
    "bowen": (
        "CH4 of the Bowen Basin, real data",
        "One overpass of TROPOMI, WRF weather, our own footprints. How to read it: [cases](../cases.md).",
    ),
}
