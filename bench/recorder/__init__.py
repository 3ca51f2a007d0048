# SPDX-License-Identifier: Apache-2.0
"""What bench/record and bench/score_record are made of; docs/recording.md tells how it works."""
