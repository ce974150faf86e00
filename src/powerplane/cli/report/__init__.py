"""The report of a plan: one HTML file."""

from powerplane.cli.report.render import render_report as render_report
from powerplane.cli.report.render import write_report as write_report
