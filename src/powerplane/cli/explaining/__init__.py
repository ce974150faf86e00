"""Why a plan is as it is, in lines of text."""
