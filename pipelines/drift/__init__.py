"""How far data moved: profiles that merge, on fixed grids, and measures of effect that do not grow with the rows."""
