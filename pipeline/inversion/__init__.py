"""Prior, operators, covariance, solution, posterior, diagnostics."""
