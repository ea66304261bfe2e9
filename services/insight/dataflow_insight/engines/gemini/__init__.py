"""The engine that lets Gemini plan and phrase: it gets no SQL, no number of its own, and leaves the house only as the policy says."""
