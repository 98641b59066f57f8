"""Files and headers spoiled at random: is any accepted, does any raise, hang or eat memory?"""
