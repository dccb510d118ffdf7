"""What W, Z, U and rho each do: for somebody who knows gradient descent and has not met ADMM.

Every number in these words is held by a test, which solves the step's problem again (`tests/test_lesson.py`).
"""

from __future__ import annotations

from core.lessons.base import Lesson, Look, Question, Step

LAYER = "entailment-tiny-admm-layer-2of4-e0-s0-27e89793"  # recorded runs: sweeps/tiny.toml
TRAINED = "entailment-tiny-admm-2of4-e4-s0-4f5bb55f"

STEPS = (
    Step("cross", "Two weights, one must go",
         "The rings join points of equal loss. Gradient descent would go to the middle, loss 0, and stay. But the "
         "pattern 1:2 keeps one of every two weights: only the points on the cross are allowed. We want the lowest "
         "loss on the cross.",
         "plane", {"case": "good", "k": "0"}, Look("plane", "the middle of the rings, and the star on the cross."),
         Question("The middle is (1.8, 1.4), yet the best point keeps w2, the smaller. How can that be?",
                  ("Small weights matter more", "Chance", "What stays can make up for what goes"), 2,
                  "With w1 gone, w2 moves along its arm until the loss is lowest there: 1.81. With w2 gone, w1 gets "
                  "down to 4.77 at best. Size alone does not tell which is cheaper: the tilt of the valley does.")),
    Step("once", "Cutting once",
         "The obvious way: go to the middle, and cut the smaller weight. That is the projection, the nearest point on "
         "the cross. Here it keeps the right weight, w1, at 1.5, and costs 3.35. The best point on the same arm costs "
         "0.97.",
         "plane", {"case": "once", "k": "1"}, Look("plane", "Z, straight below the middle, and the star."),
         Question("What brings the loss down to 0.97, with the same weight kept?",
                  ("Cut a second time", "Train on with w2 held at 0"), 1,
                  "Training on moves w1 from 1.5 to 2.3. That is refinement. But had the cut kept the wrong weight, no "
                  "refinement would bring the other back. ADMM does not decide at once.")),
    Step("copies", "W and Z: the weights twice",
         "ADMM keeps the weights twice. Z obeys the pattern: it stands on the cross, nearest to W + U. (U, 0 at first, "
         "is the next step.) W is free: it follows the loss, and is pulled towards Z. They disagree on w2: 0.77 in W, "
         "0 in Z.",
         "plane", {"case": "good", "k": "1"}, Look("plane", "W among the rings, Z on the cross, the line between."),
         Question("Which of the two is ever cut?", ("Z", "W", "Both"), 0,
                  "Only Z. W is never cut, only pulled: so it still knows that w2 is wanted, and a weight that is cut "
                  "in Z can come back.")),
    Step("memory", "U remembers",
         "U adds up what W and Z disagree on. Z cut w2 and W wanted it, twice: so U on w2 grew from 0 to 1.40 to 2.17. "
         "W + U is now (2.65, 2.69).",
         "plane", {"case": "good", "k": "2"}, Look("plane", "U, the arrow that grows along w2."),
         Question("Z keeps the larger of W + U. What does it keep next?", ("w1 again", "w2"), 1,
                  "2.69 is more than 2.65. In W alone w2 is only 0.52: it is the memory in U that carries it over. "
                  "Press On (L) and watch Z change arms.")),
    Step("meet", "Where they meet",
         "W and Z have met at (0, 1.98), the best point on the cross. The loss still pulls W off the cross, towards "
         "the middle. Yet W stays, and U has stopped growing, at (1.01, 0).",
         "plane", {"case": "good"}, Look("plane", "W and Z in one place, beside the star."),
         Question("What holds W on the cross?", ("rho × U", "Nothing: the slope is 0 there", "Z was made permanent"), 0,
                  "rho × U is 2.01 along w1: exactly the slope of the loss, the other way round. U is the force that "
                  "the pattern needs. It grew until it was enough, and then there was nothing left to add up.")),
    Step("weak", "rho too small",
         "rho is how hard W is pulled towards Z. Now it is 0.1, and W hardly leaves the middle. So whatever Z cuts is "
         "missed, and U grows for it by more than 1 in one iteration.",
         "plane", {"case": "small", "k": "4"}, Look("plane", "W, near the middle, and Z, changing arms."),
         Question("Will they meet if we give them 60 iterations?", ("No", "Yes, it only takes longer"), 0,
                  "Z changes arms at every iteration: U on the weight it cuts outgrows the other at once. W and Z stay "
                  "about 90 % of |W| apart. Press Play (K), or set iterations to 60.")),
    Step("strong", "rho too large",
         "Now rho is 10. W is pulled hard onto the arm that Z chose first. Within one iteration w2 in W is gone: "
         "−0.13.",
         "plane", {"case": "large", "k": "1"}, Look("plane", "W, at once beside the cross."),
         Question("Which arm will they settle on?", ("w1, the worse", "w2, the better", "Neither"), 0,
                  "They agree, at loss 4.77 where 1.81 was to be had. U on w2 began at 1.40, but with nothing left to "
                  "miss it shrinks. A strong pull confirms the first choice, which is that of magnitude. Press Play "
                  "(K).")),
    Step("start", "No promise",
         "The loss and rho are those of the third step. Only W begins elsewhere, at (2, −1.5). The cross is not "
         "convex: halfway between two of its points is mostly not on it.",
         "plane", {"case": "other", "k": "0"}, Look("plane", "where W begins, below the cross."),
         Question("Where will W and Z end?", ("At the same star", "On the other arm"), 1,
                  "On w1's arm, at loss 4.77. The first cut leaves −1.5 in U, on the wrong side; by the time that is "
                  "made good, W is far along the other arm. ADMM finds good points here, often the best one, and "
                  "cannot promise it.")),
    Step("group", "Four weights, keep two",
         "A group of M = 4 under 2:4. Z keeps the two largest of W + U, in every group alike. Here the inputs of the "
         "layer are unrelated: no weight can do another's work.",
         "projection", {"pattern": "2:4", "coupling": "0", "rho": "1", "k": "0"},
         Look("group", "the line between what stays and what goes."),
         Question("Nothing crosses the line in 20 iterations. Why not?",
                  ("U stays 0", "Z is never asked again", "The largest are the right ones here"), 2,
                  "U grows on 1 and 2, which are cut, but not enough, and rightly: keeping 3 and 4 is the best of all "
                  "six choices. Where no weight can do another's work, plain magnitude is all one needs.")),
    Step("crossing", "A loser comes back",
         "Now neighbouring inputs go together, with correlation 0.6. The two largest, 3 and 4, are neighbours and say "
         "partly the same. Entry 1 was cut in every iteration so far; U on it has grown to 0.86.",
         "projection", {"pattern": "2:4", "coupling": "60", "rho": "1", "k": "5"},
         Look("group", "entry 1, just below the line, and entry 4, just above."),
         Question("At iteration 6 entry 1 comes in and 4 goes: 1 and 3 are smaller together. Do the outputs lose more?",
                  ("More: less weight is kept", "Less"), 1,
                  "U carried entry 1 over the line, 0.854 against 0.844. The kept energy falls from 66 % to 60 %; yet "
                  "what the outputs lose falls from 17 % to 10 %, the least of all six choices. Entries 1 and 3 say "
                  "different things, and make up for 2 and 4.")),
    Step("layer", "A real layer",
         "The same three updates on a layer of a small transformer: W, Z and U are matrices of 64 × 64, with 1,024 "
         "groups at once. Instead of rings we chose, the loss is what the layer's outputs lose. Cutting by magnitude "
         "costs 3.7 % of them, ADMM 0.03 %.",
         "lab", {"run": LAYER, "matrix": "bert.encoder.layer.0.attention.self.value", "pattern": "2:4",
                 "method": "admm-layer"},
         Look("error", "the error over the iterations, beside the lines of the other methods."),
         Question("Both keep two of every four. What makes ADMM a hundred times cheaper?",
                  ("It trains on the task", "It keeps larger weights", "It knows what the inputs have in common"), 2,
                  "Nothing is trained here. The Gram matrix says how far one input can stand in for another, and in "
                  "this small model that is far. So ADMM chooses otherwise, 19 % of the mask is not magnitude's, and "
                  "what stays makes up for what goes.")),
    Step("rising", "Why rho rises",
         "Now in training; the layers begin as the last step left them. After every step of the optimiser W is pulled "
         "towards Z − U. Every 8 steps Z is projected and U adds up. Meanwhile rho rises from 0.003 to 0.3.",
         "trace", {"run": TRAINED}, Look("timeline", "the primal residual: first up, to 7 %, then down."),
         Question("Why not one rho throughout?",
                  ("First the choice stays open, in the end W and Z must meet", "It saves time", "U would overflow"), 0,
                  "You saw both mistakes: too small, and they never meet; too large, and the first choice stands. So: "
                  "small while the mask still flips, large once it has settled. At the end W and Z are 0.5 % of |W| "
                  "apart.")),
    Step("prune", "The hard prune",
         "The end of ADMM in the same run: the mask is put on W, and half of its weights become zero. On 1,000 "
         "sentences the dense model scores 0.859, W just before the cut 0.856 and just after it 0.854. Plain "
         "magnitude, cut at once and without training, leaves 0.683.",
         "trace", {"run": TRAINED}, Look("waterfall", "the step from W to W hard-pruned."),
         Question("Half of the weights go, and W hardly feels it. Why?",
                  ("W had already come to Z", "Those weights never mattered", "Refinement repaired it"), 0,
                  "The cut came when it no longer took anything. In one line each: W follows the task. Z obeys the "
                  "pattern. U adds up what they disagree on, until it is felt. rho says how hard they pull.")),
)

ADMM = Lesson("admm", "W, Z, U and rho",
              "For somebody who knows gradient descent and has not met ADMM. From two weights to one group to a layer "
              "to a whole run: afterwards you can say what W, Z, U and rho each do. Every step sets the real knobs, "
              "asks a question before it answers, and is a link.", STEPS)
