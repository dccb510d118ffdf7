"""What W, Z, U and rho each do: for somebody who knows gradient descent and has not met ADMM.

Every number in these words is held by a test, which solves the step's problem again or reads the recorded run
(`tests/test_lesson.py`).
"""

from __future__ import annotations

from core.lessons.base import Act, Lesson, Look, Question, Step, Way

LAYER = "entailment-tiny-admm-layer-2of4-e0-s0-27e89793"  # recorded runs: sweeps/
FILM = "entailment-tiny-admm-2of4-e4-s0-237dea71"  # ADMM from dense weights, with every moment kept
STEEP = "mrpc-minilm-l6-admm-1of4-e2-s1-eb4345ad"  # a steep pattern from dense weights: it fails
SOLVED = "mrpc-minilm-l6-admm-1of4-e2-s1-1034f07c"  # the same from weights that were solved layer by layer
MATRIX = "bert.encoder.layer.0.attention.self.value"

STEPS = (
    Step("cross", "Two weights, one must go",
         "The rings join points of equal loss. Gradient descent would go to the middle, loss 0, and stay. But the "
         "pattern 1:2 keeps one of every two weights: only the points on the cross are allowed. We want the lowest "
         "loss on the cross.",
         "plane", {"case": "good", "k": "0"}, Look("plane", "the middle of the rings, and the blue diamond."),
         Question("The middle is (1.8, 1.4), yet the best point keeps w2, the smaller. How can that be?",
                  ("Small weights matter more", "Chance", "What stays can make up for what goes"), 2,
                  "With w1 gone, w2 moves along its arm until the loss is lowest there: 1.81. With w2 gone, w1 gets "
                  "down to 4.77 at best. Size alone does not tell which is cheaper: the tilt of the valley does.")),
    Step("once", "Cutting once",
         "The obvious way: go to the middle, and cut the smaller weight. That is the projection, the nearest point on "
         "the cross: the open diamond. Here it keeps the right weight, w1, at 1.5, and costs 3.35. The best point on "
         "the same arm costs 0.97.",
         "plane", {"case": "once", "k": "0"}, Look("plane", "the open diamond, and the blue one, which is best."),
         Question("What brings the loss down to 0.97, with the same weight kept?",
                  ("Cut a second time", "Train on with w2 held at 0"), 1,
                  "Training on moves w1 from 1.5 to 2.3. That is refinement. But had the cut kept the wrong weight, no "
                  "refinement would bring the other back. ADMM does not decide at once.")),
    Step("copies", "W and Z: the weights twice",
         "ADMM keeps the weights twice. W is free and follows the loss: it begins in the middle. Z obeys the pattern: "
         "it stands on the cross, at the point nearest to W + U. (U is the next step but one, and still 0.) Press On "
         "(L): Z lands on (1.8, 0).",
         "plane", {"case": "good", "k": "0"}, Look("plane", "W among the rings, Z on the cross, the line between."),
         Question("Which of the two is ever cut?", ("Z", "W", "Both"), 0,
                  "Only Z. W is never cut, only pulled: so it still knows that w2 is wanted, and a weight that is cut "
                  "in Z can come back.")),
    Step("pull", "How W moves",
         "Two forces move W: the loss pulls it downhill, and rho pulls it towards Z. In words: new W = where the "
         "downhill force and the pull rho × (Z − U − W) cancel. So W went from the middle to (2.25, 0.77): w2, cut "
         "in Z, shrinks, and w1 grows to make up for it.",
         "plane", {"case": "good", "k": "1"}, Look("plane", "the way that W has come."),
         Question("A network has no such formula. What is done there instead?",
                  ("W is left alone", "Gradient steps on the loss, then a pull", "W is set to Z"), 1,
                  "In training the optimiser takes its gradient steps as always; after each one W is moved a little "
                  "towards Z − U. The same two forces, in many small steps. To try it here: More knobs, W-step.")),
    Step("memory", "U, the price of disagreement",
         "U adds up what W and Z disagree on. Z cut w2 and W wanted it, twice: so the price of cutting w2 rose from 0 "
         "to 1.40 to 2.17. W + U is now (2.65, 2.69).",
         "plane", {"case": "good", "k": "2"}, Look("plane", "U, the arrow that grows along w2."),
         Question("Z keeps the larger of W + U. What does it keep next?", ("w1 again", "w2"), 1,
                  "2.69 is more than 2.65. In W alone w2 is only 0.52: it is the memory in U that carries it over. "
                  "Press On (L) and watch Z change arms.")),
    Step("meet", "Where they meet",
         "Press Play (K). W and Z meet at (0, 1.98), the best point on the cross. The loss still pulls W off the "
         "cross, towards the middle. Yet W stays, and U stops growing, at (1.01, 0).",
         "plane", {"case": "good", "k": "0"}, Look("plane", "W and Z in one place, on the blue diamond."),
         Question("What holds W on the cross?", ("rho × U", "Nothing: the slope is 0 there", "Z was made permanent"), 0,
                  "rho × U is 2.01 along w1: exactly the slope of the loss, the other way round. U is the price of the "
                  "pattern. It rose until it was enough, and then there was nothing left to add up.")),
    Step("weak", "rho too small",
         "rho is how hard W is pulled towards Z. Now it is 0.1, and W hardly leaves the middle. So whatever Z cuts is "
         "missed, and U grows for it by more than 1 in one iteration. Step on (L) four times.",
         "plane", {"case": "small", "k": "0"}, Look("plane", "W, near the middle, and Z, changing arms."),
         Question("Will they meet if we give them 60 iterations?", ("No", "Yes, it only takes longer"), 0,
                  "Z changes arms at every iteration: U on the weight it cuts outgrows the other at once. W and Z stay "
                  "about 90 % of |W| apart. Press Play (K), or set iterations to 60.")),
    Step("strong", "rho too large",
         "Now rho is 10. Step on once (L): W is pulled hard onto the arm that Z chose first. Within one iteration w2 "
         "in W is gone: −0.13.",
         "plane", {"case": "large", "k": "0"}, Look("plane", "W, at once beside the cross."),
         Question("Which arm will they settle on?", ("w1, the worse", "w2, the better", "Neither"), 0,
                  "They agree, at loss 4.77 where 1.81 was to be had. U on w2 began at 1.40, but with nothing left to "
                  "miss it shrinks. A strong pull confirms the first choice, which is that of magnitude. Press Play "
                  "(K).")),
    Step("start", "No promise",
         "The loss and rho are those of the third step. Only W begins elsewhere, at (2, −1.5). The cross is not "
         "convex: halfway between two of its points is mostly not on it.",
         "plane", {"case": "other", "k": "0"}, Look("plane", "where W begins, below the cross."),
         Question("Where will W and Z end?", ("At the same point", "On the other arm"), 1,
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
         "Inputs of a layer are all mixed from the same words, so they go together: in the next layer half of them "
         "have a partner with a correlation above 0.81. Here neighbours have 0.6: 3 and 4, the largest, say partly the "
         "same. Entry 1 was cut so far; U on it has grown to 0.86.",
         "projection", {"pattern": "2:4", "coupling": "60", "rho": "1", "k": "5"},
         Look("group", "entry 1, just below the line, and entry 4, just above."),
         Question("At iteration 6 entry 1 comes in and 4 goes: 1 and 3 are smaller together. Do the outputs lose more?",
                  ("More: less weight is kept", "Less"), 1,
                  "U carried entry 1 over the line, 0.854 against 0.844. The kept energy falls from 66 % to 60 %; yet "
                  "what the outputs lose falls from 17 % to 10 %, the least of all six choices. Entries 1 and 3 say "
                  "different things, and make up for 2 and 4.")),
    Step("layer", "A real layer",
         "The same three updates on a layer of a small transformer: W, Z and U are matrices of 64 × 64, 1,024 groups "
         "at once, and the loss is what the layer's outputs lose. Cutting by magnitude costs 3.7 % of them, ADMM 0.03 "
         "%. Press Play (K).",
         "lab", {"run": LAYER, "matrix": MATRIX, "pattern": "2:4", "method": "admm-layer", "k": "0"},
         Look("maps", "W on the left, Z beside it: one cell a weight, grey where Z is cut."),
         Question("Both keep two of every four. What makes ADMM a hundred times cheaper?",
                  ("It trains on the task", "It keeps larger weights", "It knows what the inputs have in common"), 2,
                  "Nothing is trained here. The Gram matrix says how far one input can stand in for another, and in "
                  "this small model that is far. So ADMM chooses otherwise, 19 % of the mask is not magnitude's, and "
                  "what stays makes up for what goes.")),
    Step("film", "In training, from dense to sparse",
         "One pixel is one weight of one matrix: W, Z, and the gap between them. Now the whole network is trained: "
         "gradient steps move W, each followed by a pull towards Z − U; Z and U are renewed every 8 steps. Nobody cuts "
         "W. Press Play (K).",
         "watch", {"run": FILM, "matrix": MATRIX, "k": "0"}, Look("watch", "W going quiet where Z is grey."),
         Question("In 35 % of its groups of four, exactly two weights are large: chance. And at the end of ADMM?",
                  ("Much the same: W is free", "About half", "Nearly all"), 2,
                  "In 98.6 %. W itself has taken on the pattern, step by step, while the loss went on teaching it. "
                  "That is what ADMM does to a transformer.")),
    Step("rising", "Why rho rises",
         "Step 54: W and Z are 62 % of |W| apart; at the start it was 42 %. rho is still 0.0005, and 39 % of the "
         "mask changes from one look to the next. In the end rho will be 0.3.",
         "watch", {"run": FILM, "matrix": MATRIX, "k": "6"}, Look("watch", "the gap, as bright as it will ever be."),
         Question("Why not one rho throughout?",
                  ("First the choice stays open, in the end W and Z must meet", "It saves time", "U would overflow"), 0,
                  "You saw both mistakes: too small, and they never meet; too large, and the first choice stands. So: "
                  "small while the mask still changes, large once it has settled. At the end 0.04 % of it changes, and "
                  "W and Z are 0.9 % of |W| apart.")),
    Step("prune", "The hard prune",
         "The last moment of ADMM. The next one, On (L), puts the mask on W: half of its weights become zero. On 1,000 "
         "sentences the dense model scores 0.859, W before the cut 0.851, after it 0.848. Plain magnitude, cut at once "
         "and without training, leaves 0.683.",
         "watch", {"run": FILM, "matrix": MATRIX, "k": "24"}, Look("watch", "the gap: next to nothing is left of it."),
         Question("Half of the weights go, and W hardly feels it. Why?",
                  ("Those weights never mattered", "W had already come to Z", "Refinement repaired it"), 1,
                  "The cut came when it no longer took anything: the gap was 0.9 % of |W|. Then the model is trained "
                  "on with the mask held, and ends at 0.865.")),
    Step("steep", "A steep pattern",
         "Another model, on real sentence pairs (MRPC), and 1:4: one weight of four stays. Again ADMM begins at the "
         "dense weights, for 2 epochs. Press Play (K). It ends at 0.758: dense has 0.837, and one answer to everything "
         "0.748.",
         "watch", {"run": STEEP, "matrix": MATRIX, "k": "0"}, Look("watch", "the gap, wide for most of the film."),
         Question("A run of the same pattern, epochs and seed ends at 0.814. Where does it begin?",
                  ("At weights solved layer by layer", "At the smallest weights", "At random weights"), 0,
                  "Each layer is solved alone first, as in A real layer. From dense weights, the gap was still 6 % of "
                  "|W| at the hard prune. One run each, and rho rose a little differently too. Over GLUE, training "
                  "those solved weights on under a fixed mask is level with it: most of the gain is the start.")),
    Step("next", "What you know now",
         "Two copies of every weight, a memory of what they disagree on, and a pull that rises: that is all. Every "
         "step of this lesson is a link: send one to whoever asks.",
         "lesson", {}, Look("known", "the four letters, and where to go from here.")),
)

ADMM = Lesson("admm", "W, Z, U and rho",
              "Ten minutes, for somebody who knows gradient descent and has not met ADMM. From two weights to one "
              "group to a layer to a whole network: afterwards you can say what W, Z, U and rho each do. Every step "
              "sets the real knobs, asks a question before it answers, and is a link.", STEPS,
              (Act("Two weights", "cross", "plane"), Act("A group", "group", "group"),
               Act("A layer", "layer", "layer"), Act("A network", "film", "network")),
              {"W": "follows the task. It is never cut, only pulled.",
               "Z": "obeys the pattern: of all that is allowed, the nearest to W + U.",
               "U": "adds up what they disagree on: the price of cutting what is wanted.",
               "rho": "says how hard they pull: little while the choice is open, hard once it is made."},
              (Way("watch", {"run": FILM}, "Watch: the film again, any matrix, the whole model"),
               Way("accuracy", {}, "Accuracy vs ratio: what sparsity costs, beside other methods"),
               Way("run", {}, "Run: prune a model yourself"),
               Way("methods", {}, "Methods: what else there is, each on a card")))
