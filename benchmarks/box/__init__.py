"""`tianyan bench`: what one machine does with one hour of the province, under limits that are held, not promised."""
