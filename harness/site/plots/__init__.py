"""What the plots of the site show, as plain numbers, and their drawing for readers without scripts."""
