"""The hourly service: deliveries in, one committed version of every hour out, whatever happens in between.

An hour is a function of the case file and of the files delivered (`pipeline.cycle`). What is due is found by comparing
what an hour was made from with what there is now, never from a list that could be lost.
"""
