"""The independent checker: it adds every watt and milli-CPU of a plan up from nothing, at every point of every wave.

It is trusted because it is written apart: it imports the plain data types and errors of ``models`` and nothing else
of ours, walks the power topology itself, reads the curves itself, and matches labels, taints and terms itself.
"""

from powerplane.solver.check.checker import check as check
from powerplane.solver.check.report import CheckReport as CheckReport
from powerplane.solver.check.report import DomainReading as DomainReading
from powerplane.solver.check.report import Violation as Violation
