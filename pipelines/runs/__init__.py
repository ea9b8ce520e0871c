"""Runs: opening one, one stage under the stage contract, the whole chain, and reproducing an old one."""
