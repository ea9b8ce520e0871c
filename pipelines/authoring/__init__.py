"""For those who bring a model: draft a folder (`new`) and prove it sound (`check`)."""
