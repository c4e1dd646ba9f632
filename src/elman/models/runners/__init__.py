"""Programs that are copied beside an exported model; none of them imports elman."""
